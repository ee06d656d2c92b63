/**
 * How long a server asks us to wait. `Retry-After` (RFC 9110, 10.2.3) is seconds or an HTTP date; Langfuse 2 sends
 * fractions of a second, and Langfuse 4 says it in the body too.
 */
import type { Answer } from "./answer.ts";

/** A server that asks for nothing must not be hammered; one that asks for a day must not stop us for a day. */
const shortestWaitMs = 1_000;
const longestWaitMs = 600_000;

/**
 * @param defaultMs when the answer says nothing that can be understood.
 * @returns milliseconds, within 1 s … 10 min.
 */
export function retryAfterMs(answer: Answer, defaultMs: number): number {
  const wished = fromHeader(answer) ?? fromBody(answer.json) ?? defaultMs;
  return Math.min(Math.max(Math.ceil(wished), shortestWaitMs), longestWaitMs);
}

function fromHeader({ retryAfter, date }: Answer): number | undefined {
  if (retryAfter === undefined) return undefined;
  const text = retryAfter.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000;
  const until = Date.parse(text);
  if (Number.isNaN(until)) return undefined;
  // The server's own clock, where it tells it: ours may be hours off.
  const serverNow = date === undefined ? Number.NaN : Date.parse(date);
  return until - (Number.isNaN(serverNow) ? Date.now() : serverNow);
}

function fromBody(json: unknown): number | undefined {
  const seconds = (json as { details?: { retryAfterSeconds?: unknown } } | undefined | null)?.details
    ?.retryAfterSeconds;
  return typeof seconds === "number" && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}
