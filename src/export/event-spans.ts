/**
 * Merged events → spans, for servers that take spans alone. As Langfuse's own migration does, a trace that has an input
 * or output of its own becomes a span above its observations; what else a trace says goes along with every span of it.
 */
import type { ObservationLevel, ObservationType, SpanPayload, TraceFields } from "../buffer/span-payload.ts";
import { isRecord } from "./attribute-values.ts";
import { spanIdOf, traceIdOf, traceSpanIdOf } from "./event-ids.ts";
import { observationTypeOf } from "./event-kinds.ts";
import { mergeEvents } from "./event-merge.ts";
import type { IngestionEvent } from "./ingestion.ts";

type Body = Readonly<Record<string, unknown>>;

/** What all events of a trace together say of it. */
export interface MergedTrace {
  /** As the SDK says it. */
  id: string;
  body: Body;
  startMs: number;
}

/** At least one event. */
export function mergeTrace(id: string, events: readonly IngestionEvent[]): MergedTrace {
  const { first, body } = mergeEvents(events);
  return { id, body, startMs: timeOf(body["timestamp"]) ?? timeOf(first.timestamp) ?? 0 };
}

/** Has the trace what no observation of it can show? */
export function hasOwnSpan({ body }: MergedTrace): boolean {
  return body["input"] !== undefined || body["output"] !== undefined;
}

/** The span of a trace itself. @param endMs when the last of its observations ended, as far as it is known. */
export function traceSpan(trace: MergedTrace, endMs: number): SpanPayload {
  const { id, body, startMs } = trace;
  const traceId = traceIdOf(id);
  return withoutAbsent({
    traceId,
    spanId: traceSpanIdOf(traceId),
    name: textOf(body["name"]) ?? "trace",
    startTimeUnixNano: nanosOf(startMs),
    endTimeUnixNano: nanosOf(Math.max(startMs, endMs)),
    type: "span",
    input: body["input"],
    output: body["output"],
    metadata: legacyIds(traceId, id, undefined, undefined),
    version: textOf(body["version"]),
    ...fieldsOfTrace(trace),
  });
}

export interface ObservationSpan {
  span: SpanPayload;
  endMs: number;
}

/**
 * The span of an observation. One that never ended ends when it began, or with its first token.
 *
 * @param id as the SDK says it.
 * @param events all that have come, at least one.
 * @param traceKey used when no event says it; without either the observation is a trace by itself.
 */
export function observationSpan(
  id: string,
  events: readonly IngestionEvent[],
  traceKey: string | undefined,
  trace: MergedTrace | undefined,
): ObservationSpan {
  const { first, body } = mergeEvents(events);
  const creation = events.findLast(({ type }) => type.endsWith("-create"));
  const legacyTraceId = textOf(body["traceId"]) ?? traceKey ?? id;
  const traceId = traceIdOf(legacyTraceId);
  const spanId = spanIdOf(id);
  const parent = textOf(body["parentObservationId"]);
  const startMs = timeOf(body["startTime"]) ?? timeOf(first.timestamp) ?? 0;
  const firstTokenMs = timeOf(body["completionStartTime"]);
  const endMs = Math.max(startMs, timeOf(body["endTime"]) ?? firstTokenMs ?? startMs);
  const ofTrace = trace === undefined ? {} : fieldsOfTrace(trace);
  const span = withoutAbsent({
    traceId,
    spanId,
    parentSpanId:
      parent !== undefined && parent !== ""
        ? spanIdOf(parent)
        : trace !== undefined && hasOwnSpan(trace)
          ? traceSpanIdOf(traceId)
          : undefined,
    name: textOf(body["name"]) ?? "",
    startTimeUnixNano: nanosOf(startMs),
    endTimeUnixNano: nanosOf(endMs),
    type: observationTypeOf(creation ?? first) satisfies ObservationType,
    input: body["input"],
    output: body["output"],
    model: textOf(body["model"]),
    modelParameters: isRecord(body["modelParameters"]) ? body["modelParameters"] : undefined,
    usageDetails: body["usageDetails"] as Record<string, number> | undefined,
    costDetails: body["costDetails"] as Record<string, number> | undefined,
    completionStartTime: firstTokenMs === undefined ? undefined : new Date(firstTokenMs).toISOString(),
    promptName: body["promptName"] as string | undefined,
    promptVersion: body["promptVersion"] as number | undefined,
    level: body["level"] as ObservationLevel | undefined,
    statusMessage: textOf(body["statusMessage"]),
    metadata: metadataOf(body["metadata"], legacyIds(traceId, legacyTraceId, spanId, id)),
    ...ofTrace,
    version: textOf(body["version"]) ?? textOf(trace?.body["version"]),
    environment: textOf(body["environment"]) ?? ofTrace.environment,
  });
  return { span, endMs };
}

type TraceFieldsOrNot = { [Name in keyof TraceFields]: TraceFields[Name] | undefined };

/** What goes along with every span. */
function fieldsOfTrace({ body }: MergedTrace): Pick<SpanPayload, "trace" | "environment" | "release"> {
  const trace: TraceFieldsOrNot = {
    userId: textOf(body["userId"]),
    sessionId: textOf(body["sessionId"]),
    traceName: textOf(body["name"]),
    tags: Array.isArray(body["tags"]) ? body["tags"].map(String) : undefined,
    traceMetadata: body["metadata"],
    public: typeof body["public"] === "boolean" ? body["public"] : undefined,
  };
  return withoutAbsent({
    trace: withoutAbsent<TraceFieldsOrNot>(trace),
    environment: textOf(body["environment"]),
    release: textOf(body["release"]),
  });
}

/** The ids by which the bot knows it, where OTLP's are others. */
function legacyIds(
  traceId: string,
  legacyTraceId: string,
  spanId: string | undefined,
  legacyId: string | undefined,
): Record<string, string> | undefined {
  const ids = {
    ...(spanId === legacyId || legacyId === undefined ? {} : { legacy_id: legacyId }),
    ...(traceId === legacyTraceId ? {} : { legacy_trace_id: legacyTraceId }),
  };
  return Object.keys(ids).length === 0 ? undefined : ids;
}

function metadataOf(metadata: unknown, ids: Record<string, string> | undefined): Record<string, unknown> | undefined {
  if (!isRecord(metadata)) return ids;
  return { ...ids, ...metadata };
}

function withoutAbsent<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]: Exclude<Fields[Name], undefined> } {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [Name in keyof Fields]: Exclude<Fields[Name], undefined> };
}

/** Names and the like are texts; what is none is kept as its JSON. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** OTLP has no time before 1970. */
function nanosOf(ms: number): string {
  return (BigInt(Math.max(0, Math.trunc(ms))) * 1_000_000n).toString();
}
