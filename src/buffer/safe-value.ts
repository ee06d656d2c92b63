/**
 * The long way of serialisation: a copy of the payload in which everything that JSON cannot hold, or would hold
 * wrongly, is replaced by a marker in square brackets that says what it was. Slower than `JSON.stringify` by an order
 * of magnitude, bounded in time by the size limit, and it never throws.
 */
import type { Serialised } from "./serialise.ts";
import type { SpanPayload } from "./span-payload.ts";

/** Levels of nesting that are kept. Langfuse's own store and most viewers give up far earlier. */
export const maxDepth = 128;

/** A string more than this many times the span's limit is not even cut: flattening a rope of 100 MB takes too long. */
const hopelessFactor = 8;

/** Raised when a copy has grown beyond hope; the next attempt cuts deeper. */
class TooLarge extends Error {}

interface Limits {
  stringLength: number;
  entries: number;
  depth: number;
  /** Characters that this copy may still take. */
  budget: number;
  hopelessLength: number;
  truncated: boolean;
  /** Keys of objects with very many of them: listing a million takes long enough once. */
  largeKeys: Map<object, string[]>;
}

/** Objects with more keys than this are remembered in `largeKeys`. */
const manyKeys = 1_000;

/** Never throws; the text is at most `maxBytes` long in UTF-8. */
export function safeText(payload: SpanPayload, maxBytes: number): Serialised {
  let truncated = false;
  const largeKeys = new Map<object, string[]>();
  for (let share = 1; share <= 65_536; share *= 4) {
    const limits: Limits = {
      stringLength: share === 1 ? maxBytes : Math.floor(maxBytes / share),
      entries: Math.max(8, Math.floor(maxBytes / share)),
      // Many small parts are cut by depth: gentler than strings, since it takes whole branches.
      depth: Math.max(1, Math.floor(maxDepth / Math.sqrt(share))),
      budget: maxBytes * 2,
      hopelessLength: maxBytes * hopelessFactor,
      truncated: false,
      largeKeys,
    };
    try {
      const text = JSON.stringify(safeValue(payload, [], limits));
      truncated ||= limits.truncated;
      if (Buffer.byteLength(text) <= maxBytes) return { text, truncated };
    } catch {
      // Too large for this share, or out of memory: cut deeper.
    }
    truncated = true;
  }
  return { text: bareText(payload), truncated: true };
}

/** What is left when nothing else fits: the identity of the span, and that the rest was too large. */
function bareText(payload: SpanPayload): string {
  const limits: Limits = {
    stringLength: 256,
    depth: 1,
    entries: 8,
    budget: 4096,
    hopelessLength: 4096,
    truncated: true,
    largeKeys: new Map(),
  };
  const bare: Record<string, unknown> = { metadata: "[Span too large: only its identity was kept]" };
  for (const key of ["traceId", "spanId", "parentSpanId", "name", "startTimeUnixNano", "endTimeUnixNano"] as const) {
    try {
      const value = payload[key];
      if (value !== undefined) bare[key] = safeString(value, limits);
    } catch {
      bare[key] = "[Getter threw]";
    }
  }
  return JSON.stringify(bare);
}

function safeValue(value: unknown, ancestors: object[], limits: Limits): unknown {
  switch (typeof value) {
    case "string":
      return safeString(value, limits);
    case "number":
      spend(8, limits);
      return Number.isFinite(value) ? value : `[${value}]`;
    case "boolean":
    case "undefined":
      spend(5, limits);
      return value;
    case "bigint":
      return safeString(`[BigInt ${value}]`, limits);
    case "symbol":
      return safeString(`[${String(value)}]`, limits);
    case "function":
      return safeString(`[Function ${nameOf(value)}]`, limits);
    default:
      return value === null ? null : guarded(() => safeObject(value as object, ancestors, limits), limits);
  }
}

/** Whatever user code does inside, the rest of the span goes on. */
function guarded(action: () => unknown, limits: Limits): unknown {
  try {
    return action();
  } catch (error) {
    if (error instanceof TooLarge) throw error;
    return safeString(`[Threw ${describeError(error)}]`, limits);
  }
}

function safeObject(value: object, ancestors: object[], limits: Limits): unknown {
  if (ancestors.includes(value)) return safeString("[Circular]", limits);
  if (ancestors.length >= limits.depth) {
    limits.truncated = true;
    return safeString(`[Nested deeper than ${limits.depth} levels]`, limits);
  }
  spend(2, limits);
  ancestors.push(value);
  try {
    return safeContents(value, ancestors, limits);
  } finally {
    ancestors.pop();
  }
}

function safeContents(value: object, ancestors: object[], limits: Limits): unknown {
  if (Array.isArray(value)) return safeEntries(value, value.length, ancestors, limits);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[Invalid Date]" : value.toISOString();
  if (value instanceof Error) return safeError(value, ancestors, limits);
  if (value instanceof Map) return { [`[Map of ${value.size}]`]: safeEntries(value, value.size, ancestors, limits) };
  if (value instanceof Set) return { [`[Set of ${value.size}]`]: safeEntries(value, value.size, ancestors, limits) };
  if (ArrayBuffer.isView(value)) return safeString(`[${nameOfClass(value)} of ${value.byteLength} bytes]`, limits);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return safeString(`[${nameOfClass(value)} of ${value.byteLength} bytes]`, limits);
  }
  if (value instanceof RegExp) return safeString(`[RegExp ${String(value)}]`, limits);
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) {
    return `[${nameOfClass(value)}]`;
  }
  if (value instanceof String || value instanceof Number || value instanceof Boolean) {
    return safeValue(value.valueOf(), ancestors, limits);
  }
  const toJSON: unknown = (value as { toJSON?: unknown }).toJSON;
  if (typeof toJSON === "function") return safeToJSON(value, toJSON, ancestors, limits);
  return safeProperties(value, ancestors, limits);
}

function safeToJSON(value: object, toJSON: unknown, ancestors: object[], limits: Limits): unknown {
  let replacement: unknown;
  try {
    replacement = (toJSON as (key: string) => unknown).call(value, "");
  } catch (error) {
    return safeString(`[toJSON threw ${describeError(error)}]`, limits);
  }
  return replacement === value ? safeProperties(value, ancestors, limits) : safeValue(replacement, ancestors, limits);
}

function safeProperties(value: object, ancestors: object[], limits: Limits): unknown {
  const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const keys = keysOf(value, limits);
  let count = 0;
  for (const key of keys) {
    if (++count > limits.entries) {
      limits.truncated = true;
      copy["[truncated]"] = `[${count - 1} of ${keys.length} properties kept]`;
      break;
    }
    copy[safeString(key, limits)] = safeProperty(value, key, ancestors, limits);
  }
  return copy;
}

function keysOf(value: object, limits: Limits): string[] {
  const known = limits.largeKeys.get(value);
  if (known !== undefined) return known;
  const keys = Object.keys(value);
  if (keys.length > manyKeys) limits.largeKeys.set(value, keys);
  return keys;
}

function safeProperty(value: object, key: string, ancestors: object[], limits: Limits): unknown {
  let property: unknown;
  try {
    property = (value as Record<string, unknown>)[key];
  } catch (error) {
    return safeString(`[Getter threw ${describeError(error)}]`, limits);
  }
  return safeValue(property, ancestors, limits);
}

function safeEntries(values: Iterable<unknown>, size: number, ancestors: object[], limits: Limits): unknown[] {
  const copy: unknown[] = [];
  for (const value of values) {
    if (copy.length === limits.entries) {
      limits.truncated = true;
      copy.push(`[${limits.entries} of ${size} entries kept]`);
      break;
    }
    copy.push(safeValue(value, ancestors, limits) ?? null);
  }
  return copy;
}

function safeError(error: Error, ancestors: object[], limits: Limits): unknown {
  return {
    "[Error]": safeString(describeError(error), limits),
    stack: safeValue(error.stack, ancestors, limits),
    ...(error.cause === undefined ? {} : { cause: safeValue(error.cause, ancestors, limits) }),
  };
}

function safeString(value: string, limits: Limits): string {
  let text = value;
  if (text.length > limits.stringLength) {
    limits.truncated = true;
    const kept = text.length > limits.hopelessLength ? 0 : (dataUriHead(text) ?? limits.stringLength);
    text = `${text.slice(0, kept)}[truncated: ${kept} of ${value.length} characters kept]`;
  }
  if (!text.isWellFormed()) text = text.replace(/\p{Surrogate}/gu, markSurrogate);
  spend(text.length, limits);
  return text;
}

/** The characters before the data of a data URI, which half of is worth nothing; undefined: it is another text. */
function dataUriHead(text: string): number | undefined {
  return text.startsWith("data:") ? /^data:[\w/.+;=-]{1,160};base64,/.exec(text.slice(0, 200))?.[0].length : undefined;
}

function markSurrogate(unit: string): string {
  return `[Lone surrogate U+${unit.charCodeAt(0).toString(16).toUpperCase()}]`;
}

function spend(characters: number, limits: Limits): void {
  limits.budget -= characters + 1;
  if (limits.budget < 0) throw new TooLarge();
}

function nameOf(value: object): string {
  try {
    const name: unknown = (value as { name?: unknown }).name;
    return typeof name === "string" && name !== "" ? name : "anonymous";
  } catch {
    return "anonymous";
  }
}

function nameOfClass(value: object): string {
  return nameOf((value as { constructor: object }).constructor);
}

/** One line for a thrown value, even if it throws in its turn. */
export function describeError(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return "something that cannot be described";
  }
}
