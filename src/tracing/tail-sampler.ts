import type { ConstantFields } from "../buffer/constant-fields.ts";
import type { TakenSpan } from "../buffer/intake.ts";
import type { SpanPayload } from "../buffer/span-payload.ts";
import { isSampled, normaliseTraceId } from "./ids.ts";
import { fitsAny, type SamplingRule } from "./sampling-rules.ts";
import type { SpanSink } from "./tracer.ts";

/** Spans of a trace may end a moment after its root. */
const graceMs = 1_000;
/** How often traces are looked for that have waited long enough. */
const lookMs = 500;
/** Traces of which is remembered what was decided. */
const mostDecided = 10_000;

/** The caller's end of the way, which can take a span now and let it in later. */
export interface HoldingSink extends SpanSink {
  take(payload: SpanPayload, constants: ConstantFields | undefined): TakenSpan;
  offerTaken(span: TakenSpan): boolean;
}

export interface TailSamplerOptions {
  /** 0 … 1 */
  sampleRate: number;
  keep: readonly SamplingRule[];
  /** How long a trace may be undecided after its latest span while its root has not ended. Default: 600,000. */
  waitMs?: number | undefined;
  /** Memory for the spans of undecided traces. Default: 16 MiB. */
  maxBytes?: number | undefined;
}

interface WaitingTrace {
  spans: TakenSpan[];
  bytes: number;
  /** `performance.now()` */
  dueMs: number;
  hasRootEnded: boolean;
}

/**
 * Sampling by rules, whole traces only. A trace of the sample goes on at once. Of any other the spans are kept in memory
 * until one of them fits a rule, which lets in all of them and those that follow, or until the trace is over: its root
 * has ended and a moment passed. Then, after `waitMs` without a span, or when memory is full (the oldest first), it is
 * left out, and so is what comes of it later.
 *
 * Here, before the ring, because a trace that is left out then costs no commit, and what is decided never has to be
 * changed in a journal. The price is that a crash takes undecided traces along.
 */
export class TailSampler implements SpanSink {
  readonly #sink: HoldingSink;
  readonly #sampleRate: number;
  readonly #keep: readonly SamplingRule[];
  readonly #waitMs: number;
  readonly #maxBytes: number;
  readonly #waiting = new Map<string, WaitingTrace>();
  /** Trace id → was it kept? The oldest leave first. */
  readonly #decided = new Map<string, boolean>();
  #bytes = 0;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(sink: HoldingSink, options: TailSamplerOptions) {
    this.#sink = sink;
    this.#sampleRate = options.sampleRate;
    this.#keep = options.keep;
    this.#waitMs = options.waitMs ?? 600_000;
    this.#maxBytes = options.maxBytes ?? 16 * 1024 * 1024;
  }

  /** Spans of undecided traces. */
  get count(): number {
    return this.#count;
  }

  /** True also for a span that waits. */
  offer(payload: SpanPayload, constants: ConstantFields | undefined): boolean {
    const traceId = normaliseTraceId(payload.traceId);
    if (this.#isClosed || traceId === undefined || isSampled(traceId, this.#sampleRate)) {
      return this.#sink.offer(payload, constants);
    }
    const decided = this.#decided.get(traceId);
    if (decided === true) return this.#sink.offer(payload, constants);
    if (decided === false) return this.#sink.sampleOut();
    if (this.#fits(payload)) {
      this.#decide(traceId, true);
      return this.#sink.offer(payload, constants);
    }
    this.#hold(traceId, payload, constants);
    return true;
  }

  sampleOut(): boolean {
    return this.#sink.sampleOut();
  }

  get maxSpanBytes(): number {
    return this.#sink.maxSpanBytes;
  }

  /** Is this a trace that was left out, as far as is remembered? */
  hasLeftOut(traceId: unknown): boolean {
    const known = normaliseTraceId(traceId);
    return known !== undefined && this.#decided.get(known) === false;
  }

  /** Decides about the traces that are over. */
  decideEnded(): void {
    for (const [traceId, trace] of this.#waiting) if (trace.hasRootEnded) this.#decide(traceId, false);
  }

  /** Nothing more will come: decides about all. */
  close(): void {
    this.#isClosed = true;
    for (const traceId of this.#waiting.keys()) this.#decide(traceId, false);
    this.#rest();
  }

  #fits(payload: SpanPayload): boolean {
    try {
      return fitsAny(this.#keep, payload);
    } catch {
      // A span that cannot be read says nothing.
      return false;
    }
  }

  #hold(traceId: string, payload: SpanPayload, constants: ConstantFields | undefined): void {
    const span = this.#sink.take(payload, constants);
    let trace = this.#waiting.get(traceId);
    if (trace === undefined) {
      trace = { spans: [], bytes: 0, dueMs: 0, hasRootEnded: false };
      this.#waiting.set(traceId, trace);
    }
    // Two for a character, at most.
    const bytes = span.text.length * 2;
    trace.spans.push(span);
    trace.bytes += bytes;
    trace.hasRootEnded ||= payload.parentSpanId === undefined;
    trace.dueMs = performance.now() + (trace.hasRootEnded ? graceMs : this.#waitMs);
    this.#bytes += bytes;
    this.#count++;
    while (this.#bytes > this.#maxBytes) this.#decide(this.#waiting.keys().next().value as string, false);
    if (this.#timer === undefined && this.#count > 0) this.#timer = setInterval(this.#look, lookMs).unref();
  }

  #decide(traceId: string, isKept: boolean): void {
    const trace = this.#waiting.get(traceId);
    this.#waiting.delete(traceId);
    this.#decided.set(traceId, isKept);
    if (this.#decided.size > mostDecided) this.#decided.delete(this.#decided.keys().next().value as string);
    if (trace === undefined) return;
    this.#bytes -= trace.bytes;
    for (const span of trace.spans) {
      this.#count--;
      if (isKept) this.#sink.offerTaken(span);
      else this.#sink.sampleOut();
    }
  }

  readonly #look = (): void => {
    const nowMs = performance.now();
    for (const [traceId, trace] of this.#waiting) if (trace.dueMs <= nowMs) this.#decide(traceId, false);
    if (this.#waiting.size === 0) this.#rest();
  };

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
