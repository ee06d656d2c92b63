import { Buffer } from "node:buffer";
import { randomFillSync } from "node:crypto";

const pool = Buffer.allocUnsafeSlow(8192);
/** The pool in hex: an id is a part of it, which costs a tenth of making its digits one id at a time. */
let digits = "";
let used = 0;

/** 32 lowercase hex digits, not all zero (W3C Trace Context). */
export function newTraceId(): string {
  return nextDigits(32);
}

/** 16 lowercase hex digits, not all zero. */
export function newSpanId(): string {
  return nextDigits(16);
}

function nextDigits(count: number): string {
  if (used + count > digits.length) refill();
  const start = used;
  used += count;
  return digits.slice(start, used);
}

function refill(): void {
  randomFillSync(pool);
  // W3C forbids the id of zeros alone; an odd last byte rules it out at the price of one bit. Ids end at eighth bytes.
  for (let last = 7; last < pool.length; last += 8) pool[last] = (pool[last] as number) | 1;
  digits = pool.toString("hex");
  used = 0;
}

export const traceIdDigits = 32;
export const spanIdDigits = 16;

/** A trace id in W3C's form from what a caller gave (upper case and UUIDs are put right), or `undefined`. */
export function normaliseTraceId(id: unknown): string | undefined {
  return normaliseId(id, traceIdDigits);
}

export function normaliseSpanId(id: unknown): string | undefined {
  return normaliseId(id, spanIdDigits);
}

function normaliseId(id: unknown, digits: number): string | undefined {
  if (typeof id !== "string") return undefined;
  if (isHex(id, digits)) return id;
  const plain = id.replaceAll("-", "").toLowerCase();
  return isHex(plain, digits) ? plain : undefined;
}

/** A regular expression takes three times as long, and every span has two or three ids. */
function isHex(id: string, digits: number): boolean {
  if (id.length !== digits) return false;
  for (let index = 0; index < digits; index++) {
    const unit = id.charCodeAt(index);
    if ((unit < 48 || unit > 57) && (unit < 97 || unit > 102)) return false;
  }
  return true;
}

/** Is this trace in the sample? The same answer for every span of a trace, in every process. */
export function isSampled(traceId: string, sampleRate: number): boolean {
  if (sampleRate >= 1 || normaliseTraceId(traceId) === undefined) return true;
  return Number.parseInt(traceId.slice(-8), 16) / 0x1_0000_0000 < sampleRate;
}
