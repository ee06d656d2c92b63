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

/** A string escape that `JSON.stringify` writes for a lone surrogate, and otherwise only for a literal backslash. */
const surrogateEscape = "\\ud";

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
 * A lower bound of the size in characters of a value made of plain parts alone, or `notPlain`. Stops counting soon
 * after `limit`, so that its own time is bounded too.
 */
function inspect(value: unknown, depth: number, limit: number): number {
  switch (typeof value) {
    case "string":
      return value.length;
    case "number":
      return value - value === 0 ? 1 : notPlain;
    case "boolean":
    case "undefined":
      return 1;
    case "object":
      return value === null ? 1 : inspectObject(value, depth, limit);
    default:
      return notPlain;
  }
}

function inspectObject(value: object, depth: number, limit: number): number {
  if (depth === maxDepth) return notPlain;
  let size = 2;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const part = inspect(value[index], depth + 1, limit);
      if (part === notPlain) return notPlain;
      size += part + 1;
      if (size > limit) return size;
    }
    return size;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return notPlain;
  for (const key in value) {
    const part = inspect((value as Record<string, unknown>)[key], depth + 1, limit);
    if (part === notPlain) return notPlain;
    size += part + key.length + 3;
    if (size > limit) return size;
  }
  return size;
}
