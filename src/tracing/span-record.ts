import type { PayloadAttributes, SpanPayload } from "../buffer/span-payload.ts";
import { normaliseSpanId, normaliseTraceId, spanIdDigits, traceIdDigits } from "./ids.ts";

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
  events?:
    | readonly {
        name: string;
        timeUnixNano: UnixNano;
        attributes?: PayloadAttributes | undefined;
        droppedAttributesCount?: number | undefined;
      }[]
    | undefined;
  links?:
    | readonly {
        traceId: string;
        spanId: string;
        traceState?: string;
        attributes?: PayloadAttributes | undefined;
        droppedAttributesCount?: number | undefined;
      }[]
    | undefined;
  /** What the span's maker had no room for, below 1,000,000,000. Default: 0. */
  droppedAttributesCount?: number | undefined;
  droppedEventsCount?: number | undefined;
  droppedLinksCount?: number | undefined;
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
    return isStoredForm(record) ? record : recordToPayload(record);
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
  "droppedAttributesCount",
  "droppedEventsCount",
  "droppedLinksCount",
  "status",
  "resource",
  "scope",
] as const satisfies readonly (keyof SpanRecord)[];

/**
 * Is the record in the stored form already? Then nothing is copied. Only a plain object is: the serialiser would not see
 * what a class inherits. Upper case in an id is put right by the export.
 */
function isStoredForm(record: SpanRecord): record is SpanRecord & SpanPayload {
  return (
    typeof record.startTimeUnixNano === "string" &&
    typeof record.endTimeUnixNano === "string" &&
    record.traceId.length === traceIdDigits &&
    record.spanId.length === spanIdDigits &&
    (!record.parentSpanId || record.parentSpanId.length === spanIdDigits) &&
    record.events === undefined &&
    Object.getPrototypeOf(record) === Object.prototype
  );
}

/** One literal with every field: objects of one shape are quickest to make and to serialise; JSON has no `undefined`. */
function recordToPayload(record: SpanRecord): SpanPayload {
  const { traceId, spanId, parentSpanId, events } = record;
  const payload: { [Name in keyof SpanPayload]: SpanPayload[Name] | undefined } = {
    traceId: normaliseTraceId(traceId) ?? traceId,
    spanId: normaliseSpanId(spanId) ?? spanId,
    parentSpanId: parentSpanId ? (normaliseSpanId(parentSpanId) ?? parentSpanId) : undefined,
    traceState: record.traceState,
    name: record.name,
    kind: record.kind,
    startTimeUnixNano: nanoText(record.startTimeUnixNano),
    endTimeUnixNano: nanoText(record.endTimeUnixNano),
    attributes: record.attributes,
    events: events?.map(eventOf),
    links: record.links as SpanPayload["links"],
    droppedAttributesCount: record.droppedAttributesCount,
    droppedEventsCount: record.droppedEventsCount,
    droppedLinksCount: record.droppedLinksCount,
    status: record.status as SpanPayload["status"],
    resource: record.resource as SpanPayload["resource"],
    scope: record.scope as SpanPayload["scope"],
    environment: undefined,
    release: undefined,
    serviceName: undefined,
  };
  return payload as SpanPayload;
}

function eventOf(event: NonNullable<SpanRecord["events"]>[number]): NonNullable<SpanPayload["events"]>[number] {
  return { ...event, timeUnixNano: nanoText(event.timeUnixNano) } as NonNullable<SpanPayload["events"]>[number];
}

function nanoText(time: UnixNano): string {
  if (typeof time === "string") return time;
  // Beyond 2^53 a number's own text has an exponent from 1e21 on; BigInt writes every digit.
  return typeof time === "number" && Number.isFinite(time) ? BigInt(Math.trunc(time)).toString() : `${time}`;
}
