/**
 * Payloads → the body of `POST /api/public/ingestion`, for servers that know no OTLP: one observation event for each
 * span, and before them one `trace-create` for each trace in the batch. Everything comes from the payloads, ids and
 * times too: the same payloads give the same bytes, and a resend overwrites what it resends.
 */
import type { SpanPayload } from "../buffer/span-payload.ts";
import { isRecord, toPlainAttributes } from "./attribute-values.ts";
import { cleanBody, cleanEnvironment, cleanPayload, withMetadata } from "./clean-fields.ts";
import { sdkName } from "./envelope.ts";
import { langfuseFields } from "./langfuse-fields.ts";
import { droppedCountNames, droppedCounts } from "./otlp.ts";
import { eventTypeFor, isOldType } from "./observation-type.ts";
import { type ResolvedSpan, resolveFields, typeOf } from "./resolve-fields.ts";

export interface IngestionEvent {
  id: string;
  type: string;
  /** ISO 8601. */
  timestamp: string;
  body: Record<string, unknown>;
}

export interface IngestionRequest {
  batch: IngestionEvent[];
  metadata: { sdk_name: string; batch_size: number };
}

export interface IngestionPlan {
  request: IngestionRequest;
  /**
   * For each event of the batch, in order, the index of the payload that answers for it: its own span, or for a
   * `trace-create` the trace's root, else its first span in the batch.
   */
  spanIndexes: number[];
}

interface Span {
  index: number;
  payload: SpanPayload;
  resolved: ResolvedSpan;
}

/** @param serverMajor of Langfuse's version; undefined: not known. */
export function ingestionPlan(payloads: readonly SpanPayload[], serverMajor: number | undefined): IngestionPlan {
  const spans = payloads.map((raw, index): Span => {
    const payload = cleanPayload(raw);
    return { index, payload, resolved: resolveFields(payload) };
  });
  const traces = Map.groupBy(spans, ({ payload }) => payload.traceId);
  const events = [
    ...[...traces.values()].map((ofTrace) => traceEvent(ofTrace as [Span, ...Span[]])),
    ...spans.map((span) => ({ index: span.index, event: observationEvent(span, serverMajor) })),
  ];
  const batch = events.map(({ event }) => event);
  return {
    request: { batch, metadata: { sdk_name: sdkName, batch_size: batch.length } },
    spanIndexes: events.map(({ index }) => index),
  };
}

/** Does the request depend on the server's version? Only types that Langfuse 2 does not know do. */
export function dependsOnVersion(payloads: readonly SpanPayload[]): boolean {
  return payloads.some((raw) => !isOldType(typeOf(cleanPayload(raw))));
}

function observationEvent({ payload, resolved }: Span, serverMajor: number | undefined): IngestionEvent {
  const hasGenerationFields = langfuseFields.some((row) => row.generationOnly && resolved.values.has(row));
  const { event, typeInMetadata } = eventTypeFor(resolved.type, serverMajor, hasGenerationFields);
  const takesGenerationFields = event !== "span-create" && event !== "event-create";
  const body: Record<string, unknown> = {
    id: payload.spanId,
    traceId: payload.traceId,
    ...(payload.parentSpanId === undefined ? {} : { parentObservationId: payload.parentSpanId }),
    name: payload.name,
    startTime: isoTime(payload.startTimeUnixNano),
    ...(event === "event-create" ? {} : { endTime: isoTime(payload.endTimeUnixNano) }),
  };
  const besideMetadata: Record<string, unknown> = typeInMetadata === undefined ? {} : { type: typeInMetadata };
  for (const [row, value] of resolved.values) {
    if (row.observationBody === undefined) continue;
    if (row.generationOnly && !takesGenerationFields) besideMetadata[row.field] = value;
    else body[row.observationBody] = row.field === "environment" ? cleanEnvironment(value) : value;
  }
  Object.assign(besideMetadata, openTelemetryRest(payload, resolved));
  if (Object.keys(besideMetadata).length > 0) body["metadata"] = withMetadata(body["metadata"], besideMetadata);
  cleanBody(body);
  return {
    id: `${payload.traceId}-${payload.spanId}`,
    type: event,
    timestamp: isoTime(payload.endTimeUnixNano),
    body,
  };
}

/** What OpenTelemetry knows of a span and Langfuse has no field for; it shows such things under these keys. */
function openTelemetryRest(
  payload: SpanPayload,
  { restAttributes, restEvents }: ResolvedSpan,
): Record<string, unknown> {
  const resource = Object.fromEntries(toPlainAttributes(payload.resource?.attributes));
  if (payload.serviceName !== undefined) resource["service.name"] = payload.serviceName;
  const rest: Record<string, unknown> = { attributes: restAttributes, resourceAttributes: resource };
  if (payload.scope !== undefined) {
    const { attributes, ...scope } = payload.scope;
    rest["scope"] = attributes === undefined ? scope : { ...scope, attributes: plain(attributes) };
  }
  rest["events"] = restEvents.map(withPlainAttributes);
  rest["links"] = Array.isArray(payload.links) ? payload.links.map(withPlainAttributes) : [];
  return {
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => Object.keys(value as object).length > 0)),
    ...droppedCounts(payload, droppedCountNames),
  };
}

function plain(attributes: unknown): Record<string, unknown> {
  return Object.fromEntries(toPlainAttributes(attributes));
}

function withPlainAttributes<Part extends { attributes?: unknown }>(part: Part): Omit<Part, "attributes"> {
  const { attributes, ...rest } = part;
  return attributes === undefined ? rest : { ...rest, attributes: plain(attributes) };
}

/** What the spans of one trace say of it; the root goes before the others, and alone gives name, time, input, output. */
function traceEvent(spans: readonly [Span, ...Span[]]): { index: number; event: IngestionEvent } {
  const root = spans.find(({ payload }) => payload.parentSpanId === undefined);
  const source = root ?? spans[0];
  const body: Record<string, unknown> = {};
  for (const { resolved } of [source, ...spans.filter((span) => span !== source)]) {
    for (const [row, value] of resolved.values) {
      if (row.traceBody === undefined) continue;
      const clean = row.field === "environment" ? cleanEnvironment(value) : value;
      body[row.traceBody] = merged(body[row.traceBody], clean);
    }
  }
  const { traceId, spanId, startTimeUnixNano } = source.payload;
  return {
    index: source.index,
    event: {
      id: `trace-${traceId}-${spanId}`,
      type: "trace-create",
      timestamp: isoTime(startTimeUnixNano),
      body: { id: traceId, ...(root === undefined ? {} : fromRoot(root)), ...body },
    },
  };
}

function fromRoot({ payload, resolved }: Span): Record<string, unknown> {
  const fields: Record<string, unknown> = { timestamp: isoTime(payload.startTimeUnixNano), name: payload.name };
  for (const [row, value] of resolved.values) {
    if (row.field === "input" || row.field === "output") fields[row.field] = value;
  }
  return fields;
}

/** The first value stays, but lists are joined and objects filled up. */
function merged(before: unknown, value: unknown): unknown {
  if (before === undefined) return value;
  if (Array.isArray(before) && Array.isArray(value)) return [...new Set([...before, ...value])];
  return isRecord(before) && isRecord(value) ? { ...value, ...before } : before;
}

/** Langfuse keeps milliseconds; what is below is cut, as on its OTLP route. */
function isoTime(unixNano: string): string {
  return new Date(Number(BigInt(unixNano) / 1_000_000n)).toISOString();
}
