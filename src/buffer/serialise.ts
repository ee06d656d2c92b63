/**
 * From a payload to its JSON text, once, on the caller's thread. Almost every span takes the short way: a look at
 * what it holds (types and lengths only), then `JSON.stringify`. A span that `JSON.stringify` would refuse, falsify
 * (functions, maps, invalid dates, lone surrogates …) or blow up takes the long way through safe-value.ts.
 */
import { maxDepth, safeText } from "./safe-value.ts";
import type { SpanPayload } from "./span-payload.ts";

export interface Serialised {
  text: string;
  /** Was something cut to keep the span below the limit? */
  truncated: boolean;
}

/** What `inspect` says of a value that only the long way can take. */
const notPlain = -1;

/** What a key, its quotes, colon and comma take, more or less: looking at each key's length is dearer than it is worth. */
const memberSize = 8;

/** A string escape that `JSON.stringify` writes for a lone surrogate, and otherwise only for a literal backslash. */
export const surrogateEscape = "\\ud";

/**
 * Never throws. The text is well-formed UTF-16, at most `maxBytes` long in UTF-8, and always parses as an object.
 */
export function serialise(payload: SpanPayload, maxBytes: number): Serialised {
  try {
    const size = inspect(payload, 0, maxBytes);
    if (size !== notPlain && size <= maxBytes) {
      const text = JSON.stringify(payload);
      if (isShortEnough(text, maxBytes) && !text.includes(surrogateEscape)) return { text, truncated: false };
    }
  } catch {
    // A getter, a proxy or a toJSON threw: the long way finds out which.
  }
  return safeText(payload, maxBytes);
}

function isShortEnough(text: string, maxBytes: number): boolean {
  return text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes;
}

/**
 * About the size in characters of an object made of plain parts alone, or `notPlain`: too large only makes the long
 * way look again, too small does `isShortEnough`. Stops counting soon after `limit`, so that its own time is bounded
 * too. One function, and no call for what is no object: this walk is a tenth of what the caller pays.
 */
function inspect(object: object, depth: number, limit: number): number {
  if (depth === maxDepth) return notPlain;
  let size = 0;
  if (Array.isArray(object)) {
    const { length } = object;
    for (let index = 0; index < length; index++) {
      const part: unknown = object[index];
      if (typeof part === "string") size += part.length;
      else if (typeof part === "object" && part !== null) {
        const inside = inspect(part, depth + 1, limit - size);
        if (inside === notPlain) return notPlain;
        size += inside;
      } else if (!isPlainPrimitive(part)) return notPlain;
      if (++size > limit) return size;
    }
    return size;
  }
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) return notPlain;
  for (const key in object) {
    const part = (object as Record<string, unknown>)[key];
    if (typeof part === "string") size += part.length;
    else if (typeof part === "object" && part !== null) {
      const inside = inspect(part, depth + 1, limit - size);
      if (inside === notPlain) return notPlain;
      size += inside;
    } else if (!isPlainPrimitive(part)) return notPlain;
    // At least quotes, colon and comma.
    size += memberSize;
    if (size > limit) return size;
  }
  return size;
}

/** Of what is neither text nor object. A difference tells NaN and the infinities with one operation. */
export function isPlainPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case "number":
      return value - value === 0;
    case "boolean":
    case "undefined":
      return true;
    default:
      return value === null;
  }
}
