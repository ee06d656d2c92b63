import { describeError } from "../buffer/safe-value.ts";
import type { PayloadEvent, SpanPayload, TraceFields } from "../buffer/span-payload.ts";
import { TraceClock, type TimeInput, toUnixNano } from "./clock.ts";
import { exceptionAttributes, exceptionMessage } from "./exception.ts";
import { isSampled, newSpanId, newTraceId, normaliseSpanId, normaliseTraceId } from "./ids.ts";
import { payloadLink } from "./link.ts";
import { type InjectOptions, inject } from "./propagation.ts";
import type { Score, SpanScore } from "./score.ts";
import {
  type BufferedSpan,
  observationFieldNames,
  type SpanReference,
  type SpanStatus,
  type StartSpanOptions,
  type TraceOptions,
  traceFieldNames,
  type UpdateFields,
} from "./span-fields.ts";
import { isPlainObject, mergedTraceFields, TraceUpdates } from "./trace-updates.ts";

/** The tracer, as far as its spans need it. */
export interface SpanOwner {
  /** 0 … 1 */
  readonly sampleRate: number;
  /** Calls of `end()` after the first. */
  endedTwice: number;
  /** Undefined until `updateTrace` is called. */
  traceUpdates: TraceUpdates | undefined;
  offer(payload: SpanPayload): boolean;
  sampleOut(): boolean;
  score(score: Score): boolean;
}

/** What all spans of a trace in this process share. */
interface TraceState {
  id: string;
  clock: TraceClock;
  isSampled: boolean;
  /** W3C's. */
  traceState: string | undefined;
}

const statusCodes = { unset: 0, ok: 1, error: 2 } as const;
export const noOptions: StartSpanOptions = {};

/** The first span of a trace in this process: a root, or one under a span of another process. */
export function startTrace(owner: SpanOwner, name: string, options: StartSpanOptions): RecordingSpan {
  const id = options.traceId === undefined ? newTraceId() : (normaliseTraceId(options.traceId) ?? newTraceId());
  const traceState = typeof options.traceState === "string" ? options.traceState : undefined;
  const trace = { id, clock: new TraceClock(), isSampled: isSampled(id, owner.sampleRate), traceState };
  return new RecordingSpan(owner, trace, undefined, undefined, name, options);
}

export class RecordingSpan implements BufferedSpan {
  readonly owner: SpanOwner;
  readonly #trace: TraceState;
  readonly #payload: SpanPayload;
  #traceFields: TraceFields | undefined;
  #ownsTraceFields = false;
  #isEnded = false;

  constructor(
    owner: SpanOwner,
    trace: TraceState,
    parentSpanId: string | undefined,
    inherited: TraceFields | undefined,
    name: string,
    options: StartSpanOptions,
  ) {
    this.owner = owner;
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
    if (trace.traceState !== undefined) payload.traceState = trace.traceState;
    if (options !== noOptions) {
      try {
        this.#assign(options);
        if (options.attributes !== undefined) payload.attributes = { ...options.attributes };
        if (options.links !== undefined) for (const link of options.links) this.addLink(link, link.attributes);
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

  get isEnded(): boolean {
    return this.#isEnded;
  }

  startSpan(name: string, options: StartSpanOptions = noOptions): RecordingSpan {
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

  updateTrace(fields: TraceOptions): this {
    this.#guard(() => {
      const known = Object.entries(fields).filter(([key, value]) => traceFieldNames.has(key) && value !== undefined);
      this.owner.traceUpdates ??= new TraceUpdates();
      this.owner.traceUpdates.add(this.#trace.id, Object.fromEntries(known));
    });
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

  addLink(link: SpanReference, attributes?: Record<string, unknown>): this {
    this.#guard(() => {
      const stored = payloadLink(link, attributes);
      if (stored !== undefined) (this.#payload.links ??= []).push(stored);
      // It would cost the whole request a 400. It is not lost either.
      else this.setAttribute("span_buffer.invalid_link", `${link.traceId} ${link.spanId}`);
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

  score(score: SpanScore): this {
    this.#guard(() => this.owner.score({ ...score, traceId: this.traceId, observationId: this.spanId }));
    return this;
  }

  inject<Carrier extends object>(carrier: Carrier, options?: InjectOptions): Carrier {
    this.#guard(() => inject(this, this.#trace, this.#fieldsOfTrace(), carrier, options));
    return carrier;
  }

  /** The first part of an answer is here; only the first call counts. */
  markCompletionStart(): void {
    this.#payload.completionStartTime ??= this.#trace.clock.nowIso();
  }

  /** Ends with the status `error` and the exception, unless the span has ended. */
  fail(error: unknown): void {
    if (this.#isEnded) return;
    this.recordException(error);
    this.setStatus({ code: "error", message: exceptionMessage(error) });
    this.end();
  }

  end(endTime?: TimeInput): void {
    if (this.#isEnded) {
      this.owner.endedTwice++;
      return;
    }
    this.#isEnded = true;
    if (!this.#trace.isSampled) {
      this.owner.sampleOut();
      return;
    }
    const payload = this.#payload;
    try {
      const fields = this.#fieldsOfTrace();
      if (hasFields(fields)) payload.trace = fields;
      payload.endTimeUnixNano = momentOf(endTime, this.#trace.clock);
    } catch (error) {
      payload.endTimeUnixNano = this.#trace.clock.nowUnixNano();
      this.#unreadable(error);
    }
    this.owner.offer(payload);
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

  #startChild(name: string, options: StartSpanOptions): RecordingSpan {
    const trace = this.#traceFor(options.traceId);
    return new RecordingSpan(this.owner, trace, this.#payload.spanId, this.#traceFields, name, options);
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

  /** With what `updateTrace` has said until now. */
  #fieldsOfTrace(): TraceFields | undefined {
    const update = this.owner.traceUpdates?.of(this.#trace.id);
    return update === undefined ? this.#traceFields : mergedTraceFields(this.#traceFields, update);
  }

  #attributes(): Record<string, unknown> {
    const { attributes } = this.#payload;
    if (attributes === undefined) this.#payload.attributes = {};
    return this.#payload.attributes as Record<string, unknown>;
  }

  #traceFor(traceId: string | undefined): TraceState {
    const id = normaliseTraceId(traceId);
    if (id === undefined || id === this.#trace.id) return this.#trace;
    const { clock, traceState } = this.#trace;
    return { id, clock, isSampled: isSampled(id, this.owner.sampleRate), traceState };
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
export function unreadable(error: unknown): StartSpanOptions {
  return { parent: null, attributes: { "span_buffer.unreadable": describeError(error) } };
}

function momentOf(time: TimeInput | undefined, clock: TraceClock): string {
  return (time === undefined ? undefined : toUnixNano(time)) ?? clock.nowUnixNano();
}

function hasFields(fields: TraceFields | undefined): fields is TraceFields {
  for (const _ in fields) return true;
  return false;
}

function toIso(time: TimeInput | string): string {
  const date = time instanceof Date ? time : new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
