/**
 * Events of one batch that are no server's any more, as spans: those of one observation together, as far as they are in
 * this batch. Only events that were on their way when their server was upgraded come here; what comes in afterwards is
 * held until it is whole.
 */
import type { SpanPayload } from "../buffer/span-payload.ts";
import { eventKind } from "./event-kinds.ts";
import { hasOwnSpan, type MergedTrace, mergeTrace, observationSpan, traceSpan } from "./event-spans.ts";
import type { IngestionEvent } from "./ingestion.ts";

export interface MergedBatch {
  spans: SpanPayload[];
  /** For each event, in order, the span that answers for it. */
  spanOf: number[];
}

/** @param events of traces and observations. */
export function mergeBatch(events: readonly IngestionEvent[]): MergedBatch {
  const spans: SpanPayload[] = [];
  const spanOf = new Map<IngestionEvent, number>();
  const ofTraces = Map.groupBy(events.filter(isOfTrace), idOf);
  const traces = new Map([...ofTraces].map(([id, ofTrace]) => [id, mergeTrace(id, ofTrace)]));
  const firstSpan = new Map<string, number>();
  const latestEndMs = new Map<string, number>();
  for (const [id, ofObservation] of Map.groupBy(
    events.filter((event) => !isOfTrace(event)),
    idOf,
  )) {
    const traceKey = ofObservation.map(({ body }) => body["traceId"]).find((key) => typeof key === "string");
    const trace: MergedTrace | undefined = traceKey === undefined ? undefined : traces.get(traceKey);
    const { span, endMs } = observationSpan(id, ofObservation, traceKey, trace);
    const index = spans.push(span) - 1;
    for (const event of ofObservation) spanOf.set(event, index);
    if (traceKey === undefined) continue;
    if (!firstSpan.has(traceKey)) firstSpan.set(traceKey, index);
    latestEndMs.set(traceKey, Math.max(endMs, latestEndMs.get(traceKey) ?? 0));
  }
  for (const [id, trace] of traces) {
    const carrier = hasOwnSpan(trace) ? undefined : firstSpan.get(id);
    const index = carrier ?? spans.push(traceSpan(trace, latestEndMs.get(id) ?? 0)) - 1;
    for (const event of ofTraces.get(id) ?? []) spanOf.set(event, index);
  }
  return { spans, spanOf: events.map((event) => spanOf.get(event) as number) };
}

function isOfTrace({ type }: IngestionEvent): boolean {
  return eventKind(type)?.about === "trace";
}

function idOf({ id, body }: IngestionEvent): string {
  return typeof body["id"] === "string" ? body["id"] : id;
}
