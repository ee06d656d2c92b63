/**
 * The tasks of an export thread for what goes to the ingestion route as it came: scores, and the events of old SDKs for
 * servers that take them. As in task.ts, neither ever throws.
 *
 * A server that is upgraded while its events are on their way does not take them any more: they become spans here.
 * Scores go to every server by this route. Where traces go as spans, and so under OTLP's ids (event-ids.ts), a score
 * names them by those.
 */
import { LRUCache } from "lru-cache";
import type { ExportReport, ExportTask, SpanVerdict } from "../workers/messages.ts";
import { classify } from "./classify.ts";
import { classifyEvents, type EventsClassification } from "./classify-events.ts";
import { destinationKey, ingestionClient } from "./clients.ts";
import { discover, forgetServer } from "./discover.ts";
import { sdkName } from "./envelope.ts";
import { mergeBatch } from "./event-batch.ts";
import { spanIdOf, traceIdOf } from "./event-ids.ts";
import { eventKind, parseEvent, takesEvents } from "./event-kinds.ts";
import { type RequestCounter, throughHiccups } from "./hiccups.ts";
import type { IngestionEvent } from "./ingestion.ts";
import { sendIngestion } from "./ingestion-sender.ts";
import { type Outcome, reportOf } from "./report.ts";
import { send as sendSpans } from "./task.ts";

export { checkAuth } from "./task.ts";

/** A destination that has refused events although its version takes them. */
const refusing = new LRUCache<string, true>({ max: 16, ttl: 10 * 60_000 });

/** Delivers one batch of events. */
export function send(task: ExportTask): Promise<ExportReport> {
  return reportOf(task, sendBatch);
}

async function sendBatch(task: ExportTask, counter: RequestCounter): Promise<Outcome> {
  const { destination } = task;
  const events = eventsOf(task);
  // Given back at once: a collector that sees only a small heap lets many such megabytes wait.
  task.payloads.buffer.transfer(0);
  const route = await routeOf(task, counter);
  if (typeof route !== "boolean") return route;
  const batch = new Batch(events);
  const traces = batch.indexes((event) => eventKind(event.type)?.about !== "score");
  const scores = batch.indexes((event) => eventKind(event.type)?.about === "score");
  let isTaken = route;
  if (isTaken) {
    const outcome = await batch.deliver(traces, (those) => deliverEvents(those, task, counter));
    isTaken = outcome?.verdict !== "change-transport";
    if (!isTaken) {
      forgetServer(destination);
      refusing.set(destinationKey(destination), true);
    }
  }
  if (!isTaken) await batch.deliver(traces, (those) => deliverAsSpans(those, task, counter));
  await batch.deliver(scores, async (those) => {
    const outcome = await deliverEvents(isTaken ? those : those.map(withOtlpIds), task, counter);
    // There is no other route for a score.
    return outcome.verdict === "change-transport" ? { ...outcome, verdict: "rejected" } : outcome;
  });
  return batch.outcome();
}

/** The task's payloads; undefined: no event. Without what a buffer adds to spans. */
function eventsOf({ payloads, lengths }: ExportTask): (IngestionEvent | undefined)[] {
  const bytes = Buffer.from(payloads.buffer, payloads.byteOffset, payloads.length);
  let end = 0;
  return lengths.map((length) => {
    const event = parseEvent(bytes.toString("utf8", end, (end += length)));
    if (event === undefined) return undefined;
    const { id, type, timestamp, body } = event;
    return { id, type, timestamp, body };
  });
}

/** Does the server take traces and observations as events? Or why that cannot be told now. */
async function routeOf(
  { destination, transport, timeoutMs }: ExportTask,
  counter: RequestCounter,
): Promise<boolean | Outcome> {
  if (transport !== "auto") return transport === "ingestion";
  const { server, trouble } = await discover(destination, timeoutMs, counter);
  if (trouble === undefined) return takesEvents(server) && !refusing.has(destinationKey(destination));
  const { verdict, ...why } = trouble;
  return { ...why, verdict: verdict === "wait" ? "wait" : "retry", truncated: 0 };
}

async function deliverEvents(
  events: readonly IngestionEvent[],
  { destination, timeoutMs }: ExportTask,
  counter: RequestCounter,
): Promise<Outcome> {
  const request = { batch: [...events], metadata: { sdk_name: sdkName, batch_size: events.length } };
  const client = await ingestionClient(destination);
  const answer = await throughHiccups((limitMs) => sendIngestion(client, request, limitMs), timeoutMs, counter);
  const classification = classify(answer, { transport: "ingestion", destination, timeoutMs });
  if (classification.verdict !== "per-event" || answer.kind !== "answer") {
    return { ...classification, verdict: classification.verdict as Outcome["verdict"], truncated: 0 };
  }
  const plan = { request, spanIndexes: events.map((_, index) => index) };
  const judged: EventsClassification = classifyEvents(answer.json, plan, events.length, destination);
  return { ...judged, truncated: 0 };
}

/** Each event's verdict is its span's. A batch that is refused or too large is halved here: its events belong together. */
async function deliverAsSpans(
  events: readonly IngestionEvent[],
  task: ExportTask,
  counter: RequestCounter,
): Promise<Outcome> {
  const { spans, spanOf } = mergeBatch(events);
  const texts = spans.map((span) => Buffer.from(JSON.stringify(span)));
  const verdicts = await spanVerdicts(texts, task, counter);
  if (!Array.isArray(verdicts)) return verdicts;
  return { verdict: "per-span", spans: spanOf.map((index) => verdicts[index] as SpanVerdict), truncated: 0 };
}

async function spanVerdicts(
  spans: readonly Buffer[],
  task: ExportTask,
  counter: RequestCounter,
): Promise<SpanVerdict[] | Outcome> {
  const { requests, ...report } = await sendSpans({
    ...task,
    transport: "otlp",
    // They are masked already.
    mask: undefined,
    payloads: new Uint8Array(Buffer.concat(spans)),
    lengths: spans.map(({ length }) => length),
  });
  counter.requests += requests;
  const { verdict, spans: each, status, reason } = report;
  if (verdict === "acknowledged") return spans.map(() => ({ outcome: "acknowledged" }));
  if (verdict === "per-span") return each ?? [];
  if (verdict === "rejected" || verdict === "too-large") {
    if (spans.length === 1) return [{ outcome: "rejected", ...withWhy(status, reason) }];
    const half = Math.ceil(spans.length / 2);
    const first = await spanVerdicts(spans.slice(0, half), task, counter);
    const second = await spanVerdicts(spans.slice(half), task, counter);
    return [...asVerdicts(first, half), ...asVerdicts(second, spans.length - half)];
  }
  return { ...report, verdict: verdict === "change-transport" ? "retry" : verdict, truncated: 0 };
}

function asVerdicts(result: SpanVerdict[] | Outcome, count: number): SpanVerdict[] {
  return Array.isArray(result) ? result : Array.from({ length: count }, () => unsettled(result));
}

/** A score that names a trace or an observation by the id it has there. */
function withOtlpIds(event: IngestionEvent): IngestionEvent {
  const { traceId, observationId, ...body } = event.body;
  const ids = {
    ...(typeof traceId === "string" && traceId !== "" ? { traceId: traceIdOf(traceId) } : { traceId }),
    ...(typeof observationId === "string" && observationId !== ""
      ? { observationId: spanIdOf(observationId) }
      : { observationId }),
  };
  return { ...event, body: { ...body, ...ids } };
}

/** What becomes of each event; its parts are delivered one after the other. */
class Batch {
  readonly #events: readonly (IngestionEvent | undefined)[];
  readonly #verdicts: SpanVerdict[];
  readonly #outcomes: Outcome[] = [];

  constructor(events: readonly (IngestionEvent | undefined)[]) {
    this.#events = events;
    this.#verdicts = events.map(() => ({ outcome: "rejected", reason: "invalid event: its stored form is no event" }));
  }

  indexes(isWanted: (event: IngestionEvent) => boolean): number[] {
    return this.#events.flatMap((event, index) => (event !== undefined && isWanted(event) ? [index] : []));
  }

  /** Undefined: there are none. With `change-transport` nothing is noted: they are delivered another way. */
  async deliver(
    indexes: readonly number[],
    action: (events: readonly IngestionEvent[]) => Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    if (indexes.length === 0) return undefined;
    const outcome = await action(indexes.map((index) => this.#events[index] as IngestionEvent));
    if (outcome.verdict === "change-transport") {
      for (const index of indexes) this.#verdicts[index] = unsettled(outcome);
      return outcome;
    }
    this.#outcomes.push(outcome);
    for (const [position, index] of indexes.entries()) {
      this.#verdicts[index] =
        outcome.verdict === "acknowledged"
          ? { outcome: "acknowledged" }
          : (outcome.spans?.[position] ?? unsettled(outcome));
    }
    return outcome;
  }

  /** A batch that was one part is judged as one, so that the pump can halve it, or wait as long as it is asked to. */
  outcome(): Outcome {
    const [only] = this.#outcomes;
    const isWhole = this.#outcomes.length === 1 && this.#events.every((event) => event !== undefined);
    if (isWhole && only !== undefined) return only;
    if (this.#events.length === 1) {
      const { outcome, ...why } = this.#verdicts[0] as SpanVerdict;
      return { verdict: outcome, ...why, truncated: 0 };
    }
    return { verdict: "per-span", spans: this.#verdicts, truncated: 0 };
  }
}

/** Of an event in a part that failed as a whole: it comes again, by itself or with its like. */
function unsettled({ verdict, status, reason }: Outcome): SpanVerdict {
  return { outcome: verdict === "hold" ? "hold" : "retry", ...withWhy(status, reason) };
}

function withWhy(status: number | undefined, reason: string | undefined): Pick<SpanVerdict, "status" | "reason"> {
  return { ...(status === undefined ? {} : { status }), ...(reason === undefined ? {} : { reason }) };
}
