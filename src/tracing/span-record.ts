import type { PayloadAttributes, SpanPayload } from "../buffer/span-payload.ts";
import { normaliseSpanId, normaliseTraceId } from "./ids.ts";

/** Nanoseconds since 1970. A number loses the last digits; prefer bigint or text. */
export type UnixNano = bigint | string | number;

/**
 * A finished span in OpenTelemetry's terms, for `enqueue`. Attributes that Langfuse reads (`langfuse.*`, `gen_ai.*`,
 * `user.id` …) mean there what they mean in OTLP.
 */
export interface SpanRecord {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
  parentSpanId?: string | undefined;
  traceState?: string | undefined;
  name: string;
  /** OTLP's `SpanKind`, 0 … 5. Default: 1, internal. */
  kind?: number | undefined;
  startTimeUnixNano: UnixNano;
  endTimeUnixNano: UnixNano;
  /** A plain object, or OTLP's `[{ key, value: { stringValue } }]`. */
  attributes?: PayloadAttributes | undefined;
  events?: readonly { name: string; timeUnixNano: UnixNano; attributes?: PayloadAttributes | undefined }[] | undefined;
  links?:
    | readonly { traceId: string; spanId: string; traceState?: string; attributes?: PayloadAttributes | undefined }[]
    | undefined;
  /** OTLP's status: 0 unset, 1 ok, 2 error. */
  status?: { code?: number; message?: string } | undefined;
  resource?: { attributes?: PayloadAttributes | undefined } | undefined;
  scope?: { name?: string; version?: string; attributes?: PayloadAttributes | undefined } | undefined;
}

/**
 * The stored form of a record. Ill-formed parts are kept as they are: the export sends such a span to the dead
 * letters with the reason, where it can be seen and mended, instead of losing it here.
 */
export function payloadOf(record: SpanRecord): SpanPayload {
  try {
    return recordToPayload(record);
  } catch {
    return readableParts(record) as unknown as SpanPayload;
  }
}

/** Of a record whose properties throw, or that is no object at all, what can be read; it will be a dead letter. */
function readableParts(record: unknown): Record<string, unknown> {
  if (typeof record !== "object" || record === null) return { metadata: record };
  const parts: Record<string, unknown> = {};
  for (const key of recordKeys) {
    try {
      const value: unknown = (record as Record<string, unknown>)[key];
      if (value !== undefined) parts[key] = value;
    } catch {
      parts[key] = "[Getter threw]";
    }
  }
  return parts;
}

const recordKeys = [
  "traceId",
  "spanId",
  "parentSpanId",
  "name",
  "kind",
  "startTimeUnixNano",
  "endTimeUnixNano",
  "attributes",
  "events",
  "links",
  "status",
  "resource",
  "scope",
] as const satisfies readonly (keyof SpanRecord)[];

function recordToPayload(record: SpanRecord): SpanPayload {
  const payload: SpanPayload = {
    traceId: normaliseTraceId(record.traceId) ?? record.traceId,
    spanId: normaliseSpanId(record.spanId) ?? record.spanId,
    name: record.name,
    startTimeUnixNano: nanoText(record.startTimeUnixNano),
    endTimeUnixNano: nanoText(record.endTimeUnixNano),
  };
  if (record.parentSpanId) payload.parentSpanId = normaliseSpanId(record.parentSpanId) ?? record.parentSpanId;
  if (record.traceState !== undefined) payload.traceState = record.traceState;
  if (record.kind !== undefined) payload.kind = record.kind;
  if (record.attributes !== undefined) payload.attributes = record.attributes;
  if (record.events !== undefined) payload.events = record.events.map(eventOf);
  if (record.links !== undefined) payload.links = record.links as NonNullable<SpanPayload["links"]>;
  if (record.status !== undefined) payload.status = record.status as NonNullable<SpanPayload["status"]>;
  if (record.resource !== undefined) payload.resource = record.resource as NonNullable<SpanPayload["resource"]>;
  if (record.scope !== undefined) payload.scope = record.scope as NonNullable<SpanPayload["scope"]>;
  return payload;
}

function eventOf(event: NonNullable<SpanRecord["events"]>[number]): NonNullable<SpanPayload["events"]>[number] {
  return { ...event, timeUnixNano: nanoText(event.timeUnixNano) } as NonNullable<SpanPayload["events"]>[number];
}

function nanoText(time: UnixNano): string {
  if (typeof time === "string") return time;
  // Beyond 2^53 a number's own text has an exponent from 1e21 on; BigInt writes every digit.
  return typeof time === "number" && Number.isFinite(time) ? BigInt(Math.trunc(time)).toString() : `${time}`;
}
