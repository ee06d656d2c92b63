/** From held events to records that a project's buffers take: what goes now, and what is recorded of it afterwards. */
import { type HeldEvents, hashOf } from "../../buffer/held-events.ts";
import type { HeldEntity, Patience, Settled } from "../../buffer/held-events-schema.ts";
import type { SpanPayload } from "../../buffer/span-payload.ts";
import { parseEvent } from "../../export/event-kinds.ts";
import {
  hasOwnSpan,
  type MergedTrace,
  mergeTrace,
  type ObservationSpan,
  observationSpan,
  traceSpan,
} from "../../export/event-spans.ts";
import type { IngestionEvent } from "../../export/ingestion.ts";
import type { Project } from "../context.ts";

export type LegacySinks = Pick<Project, "spans" | "events">;

/** Records that were handed over. */
export interface Departure {
  /** Are they in a journal, at the latest after so many milliseconds? */
  committed(limitMs: number): Promise<boolean>;
  /** To be called then. */
  record(): void;
}

const eventsAtOnce = 500;

const minuteMs = 60_000;
/** How long what has gone is kept, for an update that comes late; longest what was still open when it had to go. */
const keepWholeMs = 10 * minuteMs;
const keepTraceMs = 60 * minuteMs;
const keepOpenMs = 24 * 60 * minuteMs;

/** The first events, as they came. Undefined: nothing can go now. */
export function departEvents(held: HeldEvents, sinks: LegacySinks): Departure | undefined {
  const { events: sink } = sinks;
  if (sink.trouble !== undefined) return undefined;
  const gone: number[] = [];
  for (const { id, payload } of held.first(eventsAtOnce)) {
    const event = parseEvent(payload);
    if (event !== undefined && !sink.offer(event as unknown as SpanPayload)) break;
    gone.push(id);
  }
  if (gone.length === 0) return undefined;
  const { sequence } = sink;
  return {
    committed: (limitMs) => sink.whenCommitted(sequence, limitMs),
    record: () => held.remove(gone),
  };
}

/**
 * Those of the entities that are ready, as spans; the others are postponed. Undefined: nothing can go now.
 *
 * @param patience undefined: there is no later.
 */
export function departSpans(
  held: HeldEvents,
  sinks: LegacySinks,
  patience: Patience | undefined,
  entities: readonly HeldEntity[],
): Departure | undefined {
  const { spans: sink } = sinks;
  if (sink.trouble !== undefined) return undefined;
  const departing = new DepartingSpans(held, patience, Date.now());
  const settled: Settled[] = [];
  for (const entity of entities) {
    const ready = departing.ready(entity);
    if (ready === undefined) continue;
    if (ready.span !== undefined && !sink.offer(ready.span)) break;
    settled.push(ready.settled);
  }
  if (settled.length === 0) return undefined;
  const { sequence } = sink;
  return {
    committed: (limitMs) => sink.whenCommitted(sequence, limitMs),
    record: () => held.settle(settled),
  };
}

/** An entity that has its time; without a span nothing of it is new. */
interface Ready {
  span: SpanPayload | undefined;
  settled: Settled;
}

interface KnownTrace {
  entity: HeldEntity;
  /** Undefined: no event of its own has come. */
  merged: MergedTrace | undefined;
}

class DepartingSpans {
  readonly #held: HeldEvents;
  readonly #patience: Patience | undefined;
  readonly #nowMs: number;
  readonly #traces = new Map<string, KnownTrace | undefined>();

  constructor(held: HeldEvents, patience: Patience | undefined, nowMs: number) {
    this.#held = held;
    this.#patience = patience;
    this.#nowMs = nowMs;
  }

  ready(entity: HeldEntity): Ready | undefined {
    return entity.kind === "trace" ? this.#readyTrace(entity) : this.#readyObservation(entity);
  }

  #readyObservation(entity: HeldEntity): Ready | undefined {
    const { key, traceKey, stage } = entity;
    const trace = traceKey === null ? undefined : this.#trace(traceKey);
    // What is open waits as long as anything comes of its trace.
    if (stage < 2 && trace !== undefined && this.#isTooEarly(entity, trace.entity.seenAtMs)) return undefined;
    const events = this.#eventsOf(entity);
    const made: ObservationSpan | undefined =
      events.length === 0 ? undefined : observationSpan(key, events, traceKey ?? undefined, trace?.merged);
    return this.#asReady(entity, made?.span, {
      forgetAtMs: this.#nowMs + (stage < 2 ? keepOpenMs : keepWholeMs),
      trace: trace?.entity,
      endAtMs: made?.endMs ?? 0,
    });
  }

  #readyTrace(entity: HeldEntity): Ready | undefined {
    const { key, seenAtMs, revision, carriedRevision, stage } = entity;
    if (this.#held.hasOpenObservation(key)) {
      if (this.#patience !== undefined) this.#held.postpone(entity, this.#nowMs + this.#patience.trace[stage]);
      return undefined;
    }
    if (this.#isTooEarly(entity, seenAtMs)) return undefined;
    const merged = this.#trace(key)?.merged;
    const isNeeded = merged !== undefined && (hasOwnSpan(merged) || carriedRevision < revision);
    return this.#asReady(entity, isNeeded ? traceSpan(merged, entity.endAtMs) : undefined, {
      forgetAtMs: this.#nowMs + keepTraceMs,
      trace: undefined,
      endAtMs: 0,
    });
  }

  /** Was the last event so recent that more may come? Then it is postponed. */
  #isTooEarly(entity: HeldEntity, seenAtMs: number): boolean {
    if (this.#patience === undefined) return false;
    const dueAtMs = seenAtMs + this.#patience[entity.kind][entity.stage];
    if (dueAtMs <= this.#nowMs) return false;
    this.#held.postpone(entity, dueAtMs);
    return true;
  }

  #asReady(entity: HeldEntity, span: SpanPayload | undefined, rest: Omit<Settled, "entity" | "hash">): Ready {
    const hash = span === undefined ? entity.sentHash : hashOf(JSON.stringify(span));
    const isNew = span !== undefined && (entity.sentHash === null || hash?.equals(entity.sentHash) !== true);
    return { span: isNew ? span : undefined, settled: { entity, hash, ...rest } };
  }

  #trace(key: string): KnownTrace | undefined {
    if (!this.#traces.has(key)) {
      const entity = this.#held.trace(key);
      const events = entity === undefined ? [] : this.#eventsOf(entity);
      const merged = events.length === 0 ? undefined : mergeTrace(key, events);
      this.#traces.set(key, entity === undefined ? undefined : { entity, merged });
    }
    return this.#traces.get(key);
  }

  #eventsOf(entity: HeldEntity): IngestionEvent[] {
    return this.#held
      .eventsOf(entity)
      .map(parseEvent)
      .filter((event) => event !== undefined);
  }
}
