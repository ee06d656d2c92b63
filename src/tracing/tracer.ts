import {
  type ConstantFields,
  ConstantFieldsTable,
  type Constants,
  type Surroundings,
} from "../buffer/constant-fields.ts";
import { serialise } from "../buffer/serialise.ts";
import type { PayloadAttributes, SpanPayload } from "../buffer/span-payload.ts";
import { activeFor, isContextUsed } from "./context.ts";
import { isSampled } from "./ids.ts";
import { noOptions, RecordingSpan, type SpanOwner, startTrace, unreadable } from "./recording-span.ts";
import { type Score, type ScoreSink, scoreEvent } from "./score.ts";
import type { SpanReference, StartSpanOptions } from "./span-fields.ts";
import { payloadOf, type SpanRecord } from "./span-record.ts";
import type { TraceUpdates } from "./trace-updates.ts";

/** Where finished spans go. */
export interface SpanSink {
  /** What a larger span is cut to. */
  readonly maxSpanBytes: number;
  offer(payload: SpanPayload, constants: ConstantFields | undefined): boolean;
  sampleOut(): boolean;
}

/** One that also takes flat spans (../buffer/flat-span.ts). */
export interface FlatSpanSink extends SpanSink {
  /** The longest one that it takes, in UTF-16 units. */
  readonly mostFlatUnits: number;
  offerFlat(text: string, constants: ConstantFields | undefined): boolean;
}

/** Takes spans that somebody else has made and that share their surroundings. Neither way throws of its own. */
export interface Recorder {
  /** A span in the stored form, without the surroundings. Returns whether it was kept. */
  record(payload: SpanPayload): boolean;
  /** The same for flat spans; undefined: this sink wants payloads. */
  readonly flat: FlatRecorder | undefined;
}

export interface FlatRecorder {
  /** The longest flat span that can be taken, in UTF-16 units. */
  readonly mostUnits: number;
  /** `attributes` are among the span's texts. Returns whether it was kept. */
  record(text: string, attributes: PayloadAttributes): boolean;
}

export interface TracerOptions extends Constants {
  sink: SpanSink;
  /** Undefined: there is no place for scores; none is taken. */
  scores?: ScoreSink | undefined;
  /** 0 … 1 */
  sampleRate: number;
}

/** Of what a span may be, surroundings that are written once take at most this part: they are not cut with the span. */
const largestSharedPart = 1 / 4;

/** Makes spans and hands finished ones to the sink. */
export class Tracer implements SpanOwner {
  readonly options: TracerOptions;
  readonly sampleRate: number;
  endedTwice = 0;
  traceUpdates: TraceUpdates | undefined;
  readonly #constants: ConstantFieldsTable;

  constructor(options: TracerOptions) {
    this.options = options;
    this.sampleRate = options.sampleRate;
    this.#constants = new ConstantFieldsTable(options);
  }

  startSpan(name: string, options: StartSpanOptions = noOptions): RecordingSpan {
    try {
      // Most programs never use a context: they should not pay for one.
      if (isContextUsed || options.parent !== undefined) return this.#startInPlace(name, options);
      return startTrace(this, name, options);
    } catch (error) {
      return startTrace(this, name, unreadable(error));
    }
  }

  /** Hands over a span that somebody else has made. Returns whether it was kept. Never throws. */
  record(span: SpanRecord): boolean {
    const { sampleRate } = this;
    const payload = payloadOf(span);
    if (sampleRate < 1 && !isSampled(payload.traceId, sampleRate)) return this.sampleOut();
    return this.offer(payload);
  }

  /** For spans that share these surroundings, whose text is made once. */
  recorderFor(surroundings: Surroundings): Recorder {
    const { sampleRate, sink } = this.options;
    const { text, truncated } = serialise(surroundings as SpanPayload, sink.maxSpanBytes * largestSharedPart);
    if (truncated) {
      return { record: (payload) => this.record({ ...payload, ...surroundings }), flat: undefined };
    }
    const constants = new ConstantFieldsTable(this.options, JSON.parse(text) as Surroundings);
    if (sampleRate < 1) {
      const record = (payload: SpanPayload): boolean =>
        isSampled(payload.traceId, sampleRate) ? this.#offer(payload, constants) : sink.sampleOut();
      return { record, flat: undefined };
    }
    return { record: (payload) => this.#offer(payload, constants), flat: flatRecorder(sink, constants) };
  }

  /** Hands a finished span to the sink, with what all spans of this buffer say. Never throws. */
  offer(payload: SpanPayload): boolean {
    return this.#offer(payload, this.#constants);
  }

  #offer(payload: SpanPayload, table: ConstantFieldsTable): boolean {
    let constants: ConstantFields | undefined;
    try {
      constants = table.for(payload);
    } catch {
      // Attributes that cannot even be looked at: the serialiser marks them.
    }
    return this.options.sink.offer(payload, constants);
  }

  sampleOut(): boolean {
    return this.options.sink.sampleOut();
  }

  /** Returns whether it was kept. Never throws. */
  score(score: Score): boolean {
    const { scores, environment } = this.options;
    if (scores === undefined) return false;
    const event = scoreEvent(score, environment);
    const { traceId } = event.body;
    return typeof traceId === "string" && !isSampled(traceId, this.sampleRate)
      ? scores.sampleOut()
      : scores.offer(event);
  }

  #startInPlace(name: string, options: StartSpanOptions): RecordingSpan {
    const { parent } = options;
    if (parent === null) return startTrace(this, name, options);
    if (parent !== undefined) {
      // The span of another project is no parent that this one could show.
      if (!(parent instanceof RecordingSpan)) return this.#startUnder(parent, name, options);
      return parent.owner === this ? parent.startSpan(name, options) : startTrace(this, name, options);
    }
    if (options.traceId !== undefined || options.parentSpanId !== undefined) return startTrace(this, name, options);
    const { own, foreign } = activeFor(this);
    if (foreign === undefined) return own?.startSpan(name, options) ?? startTrace(this, name, options);
    // A span of another tracer within ours: what ours says of the trace holds under it.
    if (own?.traceId === foreign.traceId) return own.startSpan(name, { ...options, parentSpanId: foreign.spanId });
    return this.#startUnder(foreign, name, options);
  }

  #startUnder({ traceId, spanId, traceState }: SpanReference, name: string, options: StartSpanOptions): RecordingSpan {
    const place = { traceId, parentSpanId: spanId, ...(traceState === undefined ? {} : { traceState }) };
    return startTrace(this, name, { ...place, ...options, parent: null });
  }
}

function flatRecorder(sink: SpanSink | FlatSpanSink, table: ConstantFieldsTable): FlatRecorder | undefined {
  // Whatever a span's constants are, room for them is left.
  const mostUnits = "offerFlat" in sink ? sink.mostFlatUnits - table.mostUnits : 0;
  if (!("offerFlat" in sink) || mostUnits <= 0) return undefined;
  return { mostUnits, record: (text, attributes) => sink.offerFlat(text, table.for({ attributes })) };
}
