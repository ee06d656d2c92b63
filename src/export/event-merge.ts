/**
 * All events of one observation, or of one trace → one body, as Langfuse merges them: in the order of their timestamps,
 * what comes later replaces what came before, and what says nothing replaces nothing.
 */
import { isRecord } from "./attribute-values.ts";
import { eventKind } from "./event-kinds.ts";
import { usageOf } from "./event-usage.ts";
import type { IngestionEvent } from "./ingestion.ts";
import { jsonText } from "./json-text.ts";

type Body = Record<string, unknown>;
type Merge = (before: unknown, value: unknown) => unknown;

/** What differs from "the later wins". */
const mergeTable: Readonly<Record<string, Merge>> = {
  // What Langfuse never changes afterwards.
  traceId: (before, value) => before ?? value,
  startTime: (before, value) => before ?? value,
  timestamp: (before, value) => before ?? value,
  environment: (before, value) => before ?? value,
  metadata: (before, value) => deepMerge(before, recordOf(value)),
  tags: (before, value) => (Array.isArray(value) ? sortedTags([...textsOf(before), ...textsOf(value)]) : before),
  // An empty object says nothing.
  usageDetails: (before, value) => (isRecord(value) && Object.keys(value).length > 0 ? value : before),
  costDetails: (before, value) => (isRecord(value) && Object.keys(value).length > 0 ? value : before),
};

/** Half of a prompt's identity is none: they are taken together, below. */
const takenTogether: readonly string[] = ["promptName", "promptVersion", "usage"];

/** At least one event. */
export function mergeEvents(events: readonly IngestionEvent[]): { first: IngestionEvent; body: Body } {
  const sorted = inOrder(events);
  const merged: Body = {};
  for (const { body } of sorted) {
    const said = { ...body, ...usageOf(body) };
    for (const [field, value] of Object.entries(said)) {
      if (value === undefined || value === null || takenTogether.includes(field) || field === "__proto__") continue;
      const merge = mergeTable[field];
      merged[field] = merge === undefined ? value : merge(merged[field], value);
    }
    if (typeof body["promptName"] === "string" && typeof body["promptVersion"] === "number") {
      merged["promptName"] = body["promptName"];
      merged["promptVersion"] = body["promptVersion"];
    }
  }
  return { first: sorted[0] as IngestionEvent, body: merged };
}

/** By their timestamps; of two at one moment what creates goes before what updates. */
function inOrder(events: readonly IngestionEvent[]): IngestionEvent[] {
  return events.toSorted((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp) || rankOf(a) - rankOf(b));
}

function rankOf({ type }: IngestionEvent): number {
  return eventKind(type)?.isUpdate === true ? 1 : 0;
}

/** Langfuse keeps metadata that is no object under the key `metadata`. */
function recordOf(metadata: unknown): Body {
  return isRecord(metadata) ? metadata : { metadata };
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(jsonText) : [];
}

/** Each once, as Langfuse sorts them. */
function sortedTags(tags: readonly string[]): string[] {
  return [...new Set(tags)].toSorted((a, b) => (a < b ? -1 : 1));
}

/** As lodash's `merge`, which Langfuse uses: objects key by key, lists entry by entry. */
function deepMerge(before: unknown, value: unknown): unknown {
  if (Array.isArray(before) && Array.isArray(value)) {
    return Array.from({ length: Math.max(before.length, value.length) }, (_, index) =>
      index < value.length ? deepMerge(before[index], value[index]) : (before[index] as unknown),
    );
  }
  if (!isRecord(before) || !isRecord(value)) return value ?? before;
  const merged: Body = { ...before };
  for (const [key, part] of Object.entries(value)) {
    if (key !== "__proto__") merged[key] = deepMerge(merged[key], part);
  }
  return merged;
}
