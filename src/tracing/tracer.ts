import { type ConstantFields, ConstantFieldsTable, type Constants } from "../buffer/constant-fields.ts";
import { describeError } from "../buffer/safe-value.ts";
import type { PayloadEvent, SpanPayload, TraceFields } from "../buffer/span-payload.ts";
import { TraceClock, type TimeInput, toUnixNano } from "./clock.ts";
import { isSampled, newSpanId, newTraceId, normaliseSpanId, normaliseTraceId } from "./ids.ts";
import {
  type BufferedSpan,
  observationFieldNames,
  type SpanStatus,
  type StartSpanOptions,
  traceFieldNames,
  type UpdateFields,
} from "./span-fields.ts";
import { payloadOf, type SpanRecord } from "./span-record.ts";

/** Where finished spans go. */
export interface SpanSink {
  offer(payload: SpanPayload, constants: ConstantFields | undefined): boolean;
  sampleOut(): boolean;
}

export interface TracerOptions extends Constants {
  sink: SpanSink;
  /** 0 … 1 */
  sampleRate: number;
}

/** What all spans of a trace in this process share. */
interface TraceState {
  id: string;
  clock: TraceClock;
  isSampled: boolean;
}

const statusCodes = { unset: 0, ok: 1, error: 2 } as const;
const noOptions: StartSpanOptions = {};

/** Makes spans and hands finished ones to the sink. */
export class Tracer {
  readonly options: TracerOptions;
  /** Calls of `end()` after the first. */
  endedTwice = 0;
  readonly #constants: ConstantFieldsTable;

  constructor(options: TracerOptions) {
    this.options = options;
    this.#constants = new ConstantFieldsTable(options);
  }

  startSpan(name: string, options: StartSpanOptions = noOptions): BufferedSpan {
    try {
      return this.#start(name, options);
    } catch (error) {
      return this.#start(name, unreadable(error));
    }
  }

  #start(name: string, options: StartSpanOptions): BufferedSpan {
    const id = options.traceId === undefined ? newTraceId() : (normaliseTraceId(options.traceId) ?? newTraceId());
    const trace = { id, clock: new TraceClock(), isSampled: isSampled(id, this.options.sampleRate) };
    return new RecordingSpan(this, trace, undefined, undefined, name, options);
  }

  /** Hands over a span that somebody else has made. Returns whether it was kept. Never throws. */
  record(span: SpanRecord): boolean {
    const { sampleRate } = this.options;
    const payload = payloadOf(span);
    if (sampleRate < 1 && !isSampled(payload.traceId, sampleRate)) return this.options.sink.sampleOut();
    return this.offer(payload);
  }

  /** Hands a finished span to the sink, with what all spans of this buffer say. Never throws. */
  offer(payload: SpanPayload): boolean {
    let constants: ConstantFields | undefined;
    try {
      constants = this.#constants.for(payload);
    } catch {
      // Attributes that cannot even be looked at: the serialiser marks them.
    }
    return this.options.sink.offer(payload, constants);
  }
}

class RecordingSpan implements BufferedSpan {
  readonly #tracer: Tracer;
  readonly #trace: TraceState;
  readonly #payload: SpanPayload;
  #traceFields: TraceFields | undefined;
  #ownsTraceFields = false;
  #isEnded = false;

  constructor(
    tracer: Tracer,
    trace: TraceState,
    parentSpanId: string | undefined,
    inherited: TraceFields | undefined,
    name: string,
    options: StartSpanOptions,
  ) {
    this.#tracer = tracer;
    this.#trace = trace;
    this.#traceFields = inherited;
    const payload: SpanPayload = {
      traceId: trace.id,
      spanId: newSpanId(),
      name,
      startTimeUnixNano:
        // The first span of a trace begins with its clock.
        parentSpanId === undefined && options.startTime === undefined
          ? trace.clock.beginUnixNano()
          : momentOf(options.startTime, trace.clock),
      endTimeUnixNano: "",
    };
    this.#payload = payload;
    const parent = normaliseSpanId(options.parentSpanId) ?? parentSpanId;
    if (parent !== undefined) payload.parentSpanId = parent;
    if (options !== noOptions) {
      try {
        this.#assign(options);
        if (options.attributes !== undefined) payload.attributes = { ...options.attributes };
        this.#keepIllFormed(options);
      } catch (error) {
        this.#unreadable(error);
      }
    }
  }

  get traceId(): string {
    return this.#payload.traceId;
  }

  get spanId(): string {
    return this.#payload.spanId;
  }

  startSpan(name: string, options: StartSpanOptions = noOptions): BufferedSpan {
    // From here on both refer to one object: what is learned later about the trace shows on all that end later.
    this.#traceFields ??= this.#ownTraceFields();
    try {
      return this.#startChild(name, options);
    } catch (error) {
      return this.#startChild(name, unreadable(error));
    }
  }

  setAttribute(key: string, value: unknown): this {
    this.#guard(() => {
      this.#attributes()[key] = value;
    });
    return this;
  }

  setAttributes(attributes: Record<string, unknown>): this {
    this.#guard(() => Object.assign(this.#attributes(), attributes));
    return this;
  }

  update(fields: UpdateFields): this {
    try {
      if (fields.name !== undefined) this.#payload.name = fields.name;
      this.#assign(fields);
    } catch (error) {
      this.#unreadable(error);
    }
    return this;
  }

  addEvent(name: string, attributes?: Record<string, unknown>, time?: TimeInput): this {
    this.#guard(() => {
      const timeUnixNano = momentOf(time, this.#trace.clock);
      const event: PayloadEvent =
        attributes === undefined ? { name, timeUnixNano } : { name, timeUnixNano, attributes };
      this.#payload.events ??= [];
      this.#payload.events.push(event);
    });
    return this;
  }

  recordException(error: unknown): this {
    this.#guard(() => this.addEvent("exception", exceptionAttributes(error)));
    return this;
  }

  setStatus(status: SpanStatus): this {
    this.#guard(() => {
      const code = typeof status.code === "string" ? statusCodes[status.code] : status.code;
      this.#payload.status = status.message === undefined ? { code } : { code, message: status.message };
    });
    return this;
  }

  end(endTime?: TimeInput): void {
    if (this.#isEnded) {
      this.#tracer.endedTwice++;
      return;
    }
    this.#isEnded = true;
    if (!this.#trace.isSampled) {
      this.#tracer.options.sink.sampleOut();
      return;
    }
    const payload = this.#payload;
    try {
      if (hasFields(this.#traceFields)) payload.trace = this.#traceFields;
      payload.endTimeUnixNano = momentOf(endTime, this.#trace.clock);
    } catch (error) {
      payload.endTimeUnixNano = this.#trace.clock.nowUnixNano();
      this.#unreadable(error);
    }
    this.#tracer.offer(payload);
  }

  /** The caller's objects may throw when they are read. The span says so and goes on. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): void {
    Object.assign(this.#attributes(), unreadable(error).attributes);
  }

  #startChild(name: string, options: StartSpanOptions): BufferedSpan {
    const trace = this.#traceFor(options.traceId);
    return new RecordingSpan(this.#tracer, trace, this.#payload.spanId, this.#traceFields, name, options);
  }

  /** Copies the known fields; the values themselves stay the caller's until `end()` reads them. */
  #assign(fields: StartSpanOptions | UpdateFields): void {
    for (const key in fields) {
      const value: unknown = fields[key as keyof typeof fields];
      if (value === undefined) continue;
      if (observationFieldNames.has(key)) this.#setField(key, value);
      else if (traceFieldNames.has(key)) (this.#ownTraceFields() as Record<string, unknown>)[key] = value;
    }
  }

  #setField(key: string, value: unknown): void {
    const payload = this.#payload as unknown as Record<string, unknown>;
    if (key === "completionStartTime") payload[key] = toIso(value as TimeInput | string);
    else if (key === "metadata" && isPlainObject(payload[key]) && isPlainObject(value)) {
      payload[key] = { ...payload[key], ...value };
    } else payload[key] = value;
  }

  /** The trace's fields as this span and those under it see them; its parent's stay as they are. */
  #ownTraceFields(): TraceFields {
    if (!this.#ownsTraceFields || this.#traceFields === undefined) {
      this.#ownsTraceFields = true;
      this.#traceFields = { ...this.#traceFields };
    }
    return this.#traceFields;
  }

  #attributes(): Record<string, unknown> {
    const { attributes } = this.#payload;
    if (attributes === undefined) this.#payload.attributes = {};
    return this.#payload.attributes as Record<string, unknown>;
  }

  #traceFor(traceId: string | undefined): TraceState {
    const id = normaliseTraceId(traceId);
    if (id === undefined || id === this.#trace.id) return this.#trace;
    return { id, clock: this.#trace.clock, isSampled: isSampled(id, this.#tracer.options.sampleRate) };
  }

  /** An id that is none is not used, but not lost either. */
  #keepIllFormed(options: StartSpanOptions): void {
    if (options.traceId !== undefined && normaliseTraceId(options.traceId) === undefined) {
      this.setAttribute("span_buffer.invalid_trace_id", options.traceId);
    }
    if (options.parentSpanId !== undefined && normaliseSpanId(options.parentSpanId) === undefined) {
      this.setAttribute("span_buffer.invalid_parent_span_id", options.parentSpanId);
    }
  }
}

/** In the place of options whose properties throw. */
function unreadable(error: unknown): StartSpanOptions {
  return { attributes: { "span_buffer.unreadable": describeError(error) } };
}

function exceptionAttributes(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { "exception.message": error };
  return { "exception.type": error.name, "exception.message": error.message, "exception.stacktrace": error.stack };
}

function momentOf(time: TimeInput | undefined, clock: TraceClock): string {
  return (time === undefined ? undefined : toUnixNano(time)) ?? clock.nowUnixNano();
}

function hasFields(fields: TraceFields | undefined): fields is TraceFields {
  for (const _ in fields) return true;
  return false;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function toIso(time: TimeInput | string): string {
  const date = time instanceof Date ? time : new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
