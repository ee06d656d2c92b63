/**
 * A span that is too large for the server by itself, made smaller step by step: its longest texts are cut to half,
 * a quarter … of the largest, each cut marked. What identifies and times the span is never touched.
 */
import type { SpanPayload } from "../buffer/span-payload.ts";
import { isRecord } from "./attribute-values.ts";

/** Below this there is nothing left to cut that would help. */
const shortestCut = 8_192;

/** Fields that may hold any value, so that a structure may become its text; the others keep their shape. */
const freeFields: readonly string[] = ["input", "output", "metadata", "traceMetadata"];
/** Records whose values are each cut as if they were free fields. */
const freeRecords: readonly string[] = ["attributes", "trace", "modelParameters"];
/** Left out in the last step, when thousands of small parts are what makes a span large. */
const lastResort: readonly string[] = ["attributes", "events", "links", "resource", "modelParameters", "trace"];

/** Ever smaller versions of the span, to be tried in order. None when there is nothing to cut. */
export function* smallerVersions(payload: SpanPayload): Generator<SpanPayload> {
  const largest = Math.max(0, ...Object.values(payload).map(sizeOf));
  if (largest <= shortestCut) return;
  for (let limit = largest / 2; limit > shortestCut; limit /= 2) yield cutSpan(payload, Math.floor(limit));
  const smallest = cutSpan(payload, shortestCut);
  yield smallest;
  const withoutParts = dropLargeParts(smallest);
  if (withoutParts !== undefined) yield withoutParts;
}

function cutSpan(payload: SpanPayload, limit: number): SpanPayload {
  return cutFields(payload as unknown as Record<string, unknown>, limit) as unknown as SpanPayload;
}

function cutFields(fields: Record<string, unknown>, limit: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([field, value]) => {
      if (freeFields.includes(field)) return [field, cutWhole(value, limit)];
      if (freeRecords.includes(field) && isRecord(value)) return [field, cutRecord(field, value, limit)];
      return [field, cutLeaves(value, limit)];
    }),
  );
}

function cutRecord(field: string, record: Record<string, unknown>, limit: number): Record<string, unknown> {
  if (field === "trace") return cutFields(record, limit);
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, cutWhole(value, limit)]));
}

/** First the long texts inside; a structure that is still too large becomes the first part of its JSON text. */
function cutWhole(value: unknown, limit: number): unknown {
  const cut = cutLeaves(value, limit);
  if (typeof cut === "string" || sizeOf(cut) <= limit * 2) return cut;
  return cutText(JSON.stringify(value), limit);
}

function cutLeaves(value: unknown, limit: number): unknown {
  if (typeof value === "string") return cutText(value, limit);
  if (Array.isArray(value)) return value.map((part) => cutLeaves(part, limit));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, cutLeaves(part, limit)]));
}

function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  // Half of a data URI is worth nothing.
  const head = /^data:[\w/.+;=-]{1,160};base64,/.exec(text.slice(0, 200))?.[0].length;
  // Not between the two halves of a surrogate pair.
  const end = head ?? (/[\uD800-\uDBFF]/.test(text.charAt(limit - 1)) ? limit - 1 : limit);
  return `${text.slice(0, end)}…[truncated by langfuse-span-buffer: ${end} of ${text.length} characters]`;
}

function dropLargeParts(payload: SpanPayload): SpanPayload | undefined {
  const large = lastResort.filter(
    (field) => sizeOf((payload as unknown as Record<string, unknown>)[field]) > shortestCut,
  );
  if (large.length === 0) return undefined;
  const kept = Object.fromEntries(Object.entries(payload).filter(([field]) => !large.includes(field)));
  const note = `[truncated by langfuse-span-buffer: ${large.join(", ")} left out]`;
  const { metadata } = payload;
  return {
    ...kept,
    metadata: isRecord(metadata) ? { ...metadata, truncated: note } : { metadata, truncated: note },
  } as SpanPayload;
}

/** In characters, of the JSON text where the value is no string. */
function sizeOf(value: unknown): number {
  return typeof value === "string" ? value.length : (JSON.stringify(value) ?? "").length;
}
