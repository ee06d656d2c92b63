/**
 * Masks what is stored: the JSON of a span's payload (src/buffer/span-payload.ts), or of an event for the ingestion route
 * (`{ id, type, timestamp, body }`). Ids and times stay: they say which span it is, and are nobody's secret.
 */
import { maskFailed } from "./mask-rules.ts";
import { MaskWalk, type ValueMask } from "./mask-tree.ts";

/** Kept where they are what they must be. */
const identity: ReadonlySet<string> = new Set([
  "traceId",
  "spanId",
  "parentSpanId",
  "startTimeUnixNano",
  "endTimeUnixNano",
  "timeUnixNano",
]);
const isIdOrTime = /^[0-9a-f]{0,32}$/i;

/** Words of Langfuse's and moments, kept as long as they look like it. */
const words: ReadonlySet<string> = new Set(["type", "level", "completionStartTime"]);
const isWord = /^(?:[A-Za-z]{1,24}|\d{4}-\d\d-\d\dT[\d:.]{5,18}Z)$/;

/** Of events: any text may be an id there, and one that is changed is another's. */
const eventIdentity: ReadonlySet<string> = new Set([
  "id",
  "type",
  "timestamp",
  "traceId",
  "observationId",
  "parentObservationId",
  "startTime",
  "endTime",
  "dataType",
  "configId",
]);

/** Fields of a fixed shape: no key of these names hides them as a whole. */
const structures: ReadonlySet<string> = new Set([
  "attributes",
  "events",
  "links",
  "status",
  "resource",
  "scope",
  "trace",
  "body",
]);

type Fields = Record<string, unknown>;

/**
 * The same text when there is nothing to hide. Never throws: of a span that cannot be masked nothing but its identity is
 * left. What is no JSON is nobody's span, is never sent, and becomes `{}`.
 */
export function maskStored(text: string, mask: ValueMask): string {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    return "{}";
  }
  if (typeof stored !== "object" || stored === null || Array.isArray(stored)) return "{}";
  try {
    const walk = new MaskWalk(mask);
    if (isEvent(stored as Fields)) maskEvent(stored as Fields, walk);
    else maskSpan(stored as Fields, walk);
    return walk.isChanged ? JSON.stringify(stored) : text;
  } catch {
    return JSON.stringify(bare(stored as Fields));
  }
}

function isEvent({ type, timestamp, body }: Fields): boolean {
  return typeof type === "string" && typeof timestamp === "string" && typeof body === "object" && body !== null;
}

function maskSpan(span: Fields, walk: MaskWalk): void {
  maskFields(span, walk, isKeptOfSpan);
}

function maskEvent(event: Fields, walk: MaskWalk): void {
  const { body, ...rest } = event;
  maskFields(rest, walk, isKeptOfEvent);
  Object.assign(event, rest);
  maskFields(body as Fields, walk, isKeptOfEvent);
}

function maskFields(fields: Fields, walk: MaskWalk, isKept: (key: string, value: unknown) => boolean): void {
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (isKept(key, value)) continue;
    if ((key === "events" || key === "links") && Array.isArray(value)) maskParts(value, walk);
    else if (structures.has(key)) fields[key] = walk.property(key, value);
    else fields[key] = walk.keyedProperty(key, value);
  }
}

/** Events and links of a span. */
function maskParts(parts: unknown[], walk: MaskWalk): void {
  for (const [index, part] of parts.entries()) {
    if (typeof part === "object" && part !== null && !Array.isArray(part)) maskSpan(part as Fields, walk);
    else parts[index] = walk.value(part);
  }
}

function isKeptOfSpan(key: string, value: unknown): boolean {
  if (typeof value === "number") return key === "kind";
  if (typeof value !== "string") return false;
  return (identity.has(key) && isIdOrTime.test(value)) || (words.has(key) && isWord.test(value));
}

function isKeptOfEvent(key: string, value: unknown): boolean {
  return typeof value === "string" && (eventIdentity.has(key) || (words.has(key) && isWord.test(value)));
}

function bare(stored: Fields): Fields {
  const kept = Object.entries(stored).filter(([key, value]) => identity.has(key) && isKeptOfSpan(key, value));
  return { ...Object.fromEntries(kept), name: maskFailed, metadata: maskFailed };
}
