/**
 * Names of rings. A buffer's own ring has a UUID; those of attached threads have that one and another behind it, so that
 * whoever finds a trace of a ring knows whose it is: crash logs and positions of a living buffer are left alone, also those
 * of a thread that has come and gone before the buffer heard of it.
 */
import { randomUUID } from "node:crypto";

const uuidLength = 36;

export function newRingId(): string {
  return randomUUID();
}

export function newAttachedRingId(leadId: string): string {
  return `${leadId}-${randomUUID()}`;
}

/** The id of the buffer's own ring that this one belongs to, or is. */
export function leadRingId(ringId: string): string {
  return ringId.slice(0, uuidLength);
}
