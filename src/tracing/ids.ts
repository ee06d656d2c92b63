import { Buffer } from "node:buffer";
import { randomFillSync } from "node:crypto";

const pool = Buffer.allocUnsafeSlow(8192);
let used = pool.length;

/** 32 lowercase hex digits, not all zero (W3C Trace Context). */
export function newTraceId(): string {
  return randomHex(16);
}

/** 16 lowercase hex digits, not all zero. */
export function newSpanId(): string {
  return randomHex(8);
}

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  // W3C forbids the id of zeros alone; an odd last byte rules it out at the price of one bit.
  pool[used + bytes - 1]! |= 1;
  const id = pool.toString("hex", used, used + bytes);
  used += bytes;
  return id;
}

const traceIdPattern = /^[0-9a-f]{32}$/;
const spanIdPattern = /^[0-9a-f]{16}$/;

/** A trace id in W3C's form from what a caller gave (upper case and UUIDs are put right), or `undefined`. */
export function normaliseTraceId(id: unknown): string | undefined {
  return normaliseId(id, traceIdPattern);
}

export function normaliseSpanId(id: unknown): string | undefined {
  return normaliseId(id, spanIdPattern);
}

function normaliseId(id: unknown, pattern: RegExp): string | undefined {
  if (typeof id !== "string") return undefined;
  if (pattern.test(id)) return id;
  const plain = id.replaceAll("-", "").toLowerCase();
  return pattern.test(plain) ? plain : undefined;
}

/** Is this trace in the sample? The same answer for every span of a trace, in every process. */
export function isSampled(traceId: string, sampleRate: number): boolean {
  if (sampleRate >= 1 || normaliseTraceId(traceId) === undefined) return true;
  return Number.parseInt(traceId.slice(-8), 16) / 0x1_0000_0000 < sampleRate;
}
