import { type DeadLetterBox, noDeadLetters } from "./dead-letters.ts";
import { noHandle, type SpanBufferHandle } from "./handle.ts";
import type { ResolvedOptions } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import { ScoreBuffer } from "./score-buffer.ts";
import { disabledStats, type SpanBufferStats } from "./stats.ts";
import { noopSpan } from "./tracing/noop-span.ts";
import {
  checkFunction,
  checkOptions,
  type ObservedDecorator,
  type ObservedFunction,
  type ObserveOptions,
} from "./tracing/observe.ts";
import type { Score } from "./tracing/score.ts";
import type { BufferedSpan, StartSpanOptions } from "./tracing/span-fields.ts";
import type { SpanRecord } from "./tracing/span-record.ts";
import { type ActiveArguments, TracingCalls } from "./tracing/tracing-calls.ts";
import type { AuthCheckResult } from "./workers/messages.ts";

/**
 * Takes the spans of one project. They have a journal, a queue and connections of their own: nothing that happens to
 * another project's spans slows these, and the two never meet in one request.
 */
export interface SpanDestination {
  /**
   * Starts a span under the active one of this destination, or else a trace; `parent`, or `traceId` with `parentSpanId`, says
   * otherwise. Never throws.
   */
  startSpan(name: string, options?: StartSpanOptions): BufferedSpan;
  /**
   * Starts a span and runs `fn` with it active: spans that are started meanwhile without a parent hang under it, across
   * `await`, timers and events. Returns what `fn` returns. The span ends with `fn`, or with the promise that `fn` returns; what
   * is thrown is recorded as exception with status `error`, and passed on. Throws nothing of its own.
   */
  startActiveSpan<T>(name: string, fn: (span: BufferedSpan) => T): T;
  startActiveSpan<T>(name: string, options: StartSpanOptions, fn: (span: BufferedSpan) => T): T;
  /**
   * The function with an active span around each call; arguments are its input, the result its output. Functions of any kind:
   * with a promise the span ends when that is settled; with a generator, an async iterable or a web `ReadableStream`, when it
   * ends, breaks or its reader stops, with the joined text as output and the first part's time as `completionStartTime`.
   *
   * @throws TypeError when it is no function, or an option is unknown or not allowed.
   */
  observe<Fn extends ObservedFunction>(fn: Fn, options?: ObserveOptions): Fn;
  /**
   * The same as a decorator of methods (TC39): `@buffer.observed({ type: "tool" })`.
   *
   * @throws TypeError when an option is unknown or not allowed, or it is used on anything but a method.
   */
  observed(options?: ObserveOptions): ObservedDecorator;
  /** Hands over a finished span; `false`: it was dropped, and counted under its reason in `stats().dropped`. */
  enqueue(span: SpanRecord): boolean;
  /**
   * A score of a trace, an observation or a session, journalled and delivered as spans are; `false`: it was dropped, and
   * counted in `stats().scores`. Never throws.
   */
  score(score: Score): boolean;
  /** What `attach` takes in another thread of this process: see there. */
  handle(): SpanBufferHandle;
  /** What the server refused for good. */
  readonly deadLetters: DeadLetterBox;
  /** The same for scores. */
  readonly scoreDeadLetters: DeadLetterBox;
  /** Asks Langfuse who these keys are. Never rejects: what is wrong, and what to do, is in `reason`. */
  authCheck(): Promise<AuthCheckResult>;
  /** The figures of this moment. `accepted = acknowledged + pending + deadLettered + all dropped`, always. */
  stats(): SpanBufferStats;
}

export class PipelineDestination extends TracingCalls implements SpanDestination {
  readonly #pipeline: Pipeline;
  readonly #scores: ScoreBuffer;

  constructor(options: ResolvedOptions, name: string | undefined) {
    const scores = new ScoreBuffer(options, name);
    const pipeline = new Pipeline(options, { name, scores });
    super(pipeline.tracer);
    this.#scores = scores;
    this.#pipeline = pipeline;
  }

  handle(): SpanBufferHandle {
    return this.#pipeline.handle();
  }

  get deadLetters(): DeadLetterBox {
    return this.#pipeline.deadLetters;
  }

  get scoreDeadLetters(): DeadLetterBox {
    return this.#scores.deadLetters;
  }

  authCheck(): Promise<AuthCheckResult> {
    return this.#pipeline.authCheck();
  }

  stats(): SpanBufferStats {
    const scores = this.#scores.stats();
    const stats = this.#pipeline.stats();
    return scores === undefined ? stats : { ...stats, scores };
  }

  /** Those that are running. */
  pipelines(): Pipeline[] {
    // A score of an attached thread may be the first.
    this.#pipeline.collectAttached();
    const scores = this.#scores.pipeline;
    return scores === undefined ? [this.#pipeline] : [this.#pipeline, scores];
  }

  /** No pipeline is opened from now on: it would not be shut down. */
  close(): void {
    this.#pipeline.collectAttached();
    this.#scores.close();
  }
}

/** With `enabled: false`: every call is a cheap no-op. */
export const noDestination: SpanDestination = Object.freeze({
  startSpan: () => noopSpan,
  startActiveSpan: <T>(_name: string, ...rest: ActiveArguments<T>): T => {
    const fn = rest.length === 1 ? rest[0] : rest[1];
    return fn(noopSpan);
  },
  observe: <Fn extends ObservedFunction>(fn: Fn, options: ObserveOptions = {}): Fn => {
    checkFunction(fn);
    checkOptions(options);
    return fn;
  },
  observed: (options: ObserveOptions = {}): ObservedDecorator => {
    checkOptions(options);
    return (method) => method;
  },
  enqueue: () => false,
  score: () => false,
  handle: () => noHandle,
  deadLetters: noDeadLetters,
  scoreDeadLetters: noDeadLetters,
  authCheck: async (): Promise<AuthCheckResult> => {
    return { ok: false, cause: "disabled", reason: "tracing is off (enabled: false): nothing was asked" };
  },
  stats: disabledStats,
});
