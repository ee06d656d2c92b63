import type { DeadLetterBox } from "./dead-letters.ts";
import { noDestination, PipelineDestination, type SpanDestination } from "./destination.ts";
import type { SpanBufferHandle } from "./handle.ts";
import { optionsFor, type ResolvedOptions, resolveOptions, type SpanBufferOptions } from "./options.ts";
import type { Pipeline } from "./pipeline.ts";
import type { FlushResult, SpanBufferStats } from "./stats.ts";
import { defaultFlushTimeoutMs, limitOf } from "./time-limit.ts";
import { offerAsDefault, withdrawAsDefault } from "./tracing/default-tracer.ts";
import type { ObservedDecorator, ObservedFunction, ObserveOptions } from "./tracing/observe.ts";
import type { Score } from "./tracing/score.ts";
import type { BufferedSpan, StartSpanOptions } from "./tracing/span-fields.ts";
import type { SpanRecord } from "./tracing/span-record.ts";
import type { Tracer } from "./tracing/tracer.ts";
import type { ActiveArguments } from "./tracing/tracing-calls.ts";
import type { AuthCheckResult } from "./workers/messages.ts";

/**
 * The tracer of a buffer's own project, for the package's other entries; `undefined` while tracing is off.
 *
 * @throws TypeError for a buffer of another copy of the package.
 */
export let tracerOf: (buffer: SpanBuffer) => Tracer | undefined;

/**
 * Takes spans in microseconds, journals them, and delivers them to Langfuse through outages, crashes and restarts.
 * One instance a process is the rule; each has a pump thread of its own, and one more for each further destination.
 */
export class SpanBuffer implements SpanDestination {
  static {
    tracerOf = (buffer) => buffer.#running[0]?.tracer;
  }

  readonly #options: ResolvedOptions;
  /** The buffer's own and those of further destinations; none while tracing is off. */
  readonly #running: PipelineDestination[] = [];
  readonly #own: SpanDestination;
  readonly #destinations = new Map<string, SpanDestination>();

  /**
   * Returns at once and accepts spans at once; thread and journal come up behind it.
   *
   * @throws TypeError for an unknown or invalid option, naming it. Missing keys do not throw.
   */
  constructor(options?: SpanBufferOptions) {
    this.#options = resolveOptions(options);
    this.#own = this.#open(this.#options);
    // `observe` of the package uses the process's buffer, not the projects beside it.
    for (const { tracer } of this.#running) offerAsDefault(tracer);
    for (const [name, destination] of Object.entries(this.#options.destinations ?? {})) {
      this.#destinations.set(name, this.#open(optionsFor(this.#options, destination), name));
    }
  }

  /**
   * Starts a span under the active one of this buffer, or else a trace; `parent`, or `traceId` with `parentSpanId`, says
   * otherwise. Never throws.
   */
  startSpan(name: string, options?: StartSpanOptions): BufferedSpan {
    return this.#own.startSpan(name, options);
  }

  /**
   * Starts a span and runs `fn` with it active: spans that are started meanwhile without a parent hang under it, across
   * `await`, timers and events. Returns what `fn` returns. The span ends with `fn`, or with the promise that `fn` returns; what
   * is thrown is recorded as exception with status `error`, and passed on. Throws nothing of its own.
   */
  startActiveSpan<T>(name: string, fn: (span: BufferedSpan) => T): T;
  startActiveSpan<T>(name: string, options: StartSpanOptions, fn: (span: BufferedSpan) => T): T;
  startActiveSpan<T>(name: string, ...rest: ActiveArguments<T>): T {
    return this.#own.startActiveSpan(name, ...(rest as [options: StartSpanOptions, fn: (span: BufferedSpan) => T]));
  }

  /**
   * The function with an active span around each call; arguments are its input, the result its output. Functions of any kind:
   * with a promise the span ends when that is settled; with a generator, an async iterable or a web `ReadableStream`, when it
   * ends, breaks or its reader stops, with the joined text as output and the first part's time as `completionStartTime`.
   *
   * @throws TypeError when it is no function, or an option is unknown or not allowed.
   */
  observe<Fn extends ObservedFunction>(fn: Fn, options?: ObserveOptions): Fn {
    return this.#own.observe(fn, options);
  }

  /**
   * The same as a decorator of methods (TC39): `@buffer.observed({ type: "tool" })`.
   *
   * @throws TypeError when an option is unknown or not allowed, or it is used on anything but a method.
   */
  observed(options?: ObserveOptions): ObservedDecorator {
    return this.#own.observed(options);
  }

  /** Hands over a finished span; `false`: it was dropped, and counted under its reason in `stats().dropped`. */
  enqueue(span: SpanRecord): boolean {
    return this.#own.enqueue(span);
  }

  /**
   * A score of a trace, an observation or a session, journalled and delivered as spans are; `false`: it was dropped, and
   * counted in `stats().scores`. Never throws.
   */
  score(score: Score): boolean {
    return this.#own.score(score);
  }

  /**
   * What `attach` takes in another thread of this process: there it gives the same tracing API, with a way of its own to
   * this buffer's pump. It can be sent to any number of threads and holds no secret.
   *
   * @throws TypeError while `sampling` or `shouldExportSpan` is set, which attached threads could not heed.
   */
  handle(): SpanBufferHandle {
    return this.#own.handle();
  }

  /** The spans that the server refused for good, with its words: to be listed, sent again or removed. */
  get deadLetters(): DeadLetterBox {
    return this.#own.deadLetters;
  }

  /** The same for scores. */
  get scoreDeadLetters(): DeadLetterBox {
    return this.#own.scoreDeadLetters;
  }

  /**
   * What takes the spans of another project (option `destinations`).
   *
   * @throws RangeError when there is none of this name; it names those that there are.
   */
  destination(name: string): SpanDestination {
    const destination = this.#destinations.get(name);
    if (destination !== undefined) return destination;
    const known = [...this.#destinations.keys()].map((each) => `"${each}"`).join(", ");
    throw new RangeError(
      `langfuse-span-buffer: no destination "${name}": ${known === "" ? "the option destinations is not set" : `there are ${known}`}`,
    );
  }

  /**
   * Resolves when all that was accepted before this call, and what earlier processes left in the journal, has been
   * acknowledged or dead-lettered, or after `timeoutMs` (default 30,000). The counts are those of `stats()` then, of spans and
   * scores of all destinations together.
   */
  async flush(options: { timeoutMs?: number } = {}): Promise<FlushResult> {
    const timeoutMs = limitOf(options.timeoutMs, defaultFlushTimeoutMs);
    return sumOf(await Promise.all(this.#pipelines().map((pipeline) => pipeline.flush(timeoutMs))));
  }

  /**
   * Delivers what can be delivered, leaves the rest in the journal and ends the thread, all within `timeoutMs`
   * (default: the option `shutdownTimeoutMs`). Spans that end later are dropped and counted. A second call gets the
   * result of the first.
   */
  async shutdown(options: { timeoutMs?: number } = {}): Promise<FlushResult> {
    const timeoutMs = limitOf(options.timeoutMs, this.#options.shutdownTimeoutMs);
    for (const destination of this.#running) {
      destination.close();
      withdrawAsDefault(destination.tracer);
    }
    return sumOf(await Promise.all(this.#pipelines().map((pipeline) => pipeline.shutdown(timeoutMs))));
  }

  /** Asks Langfuse who these keys are. Never rejects: what is wrong, and what to do, is in `reason`. */
  async authCheck(): Promise<AuthCheckResult> {
    return await this.#own.authCheck();
  }

  /** The figures of this moment. `accepted = acknowledged + pending + deadLettered + all dropped`, always. */
  stats(): SpanBufferStats {
    const stats = this.#own.stats();
    if (this.#destinations.size === 0) return stats;
    const destinations = Object.fromEntries([...this.#destinations].map(([name, each]) => [name, each.stats()]));
    return { ...stats, destinations };
  }

  #open(options: ResolvedOptions, name?: string): SpanDestination {
    if (!options.enabled) return noDestination;
    const destination = new PipelineDestination(options, name);
    this.#running.push(destination);
    return destination;
  }

  #pipelines(): Pipeline[] {
    return this.#running.flatMap((destination) => destination.pipelines());
  }
}

function sumOf(results: readonly FlushResult[]): FlushResult {
  const sum: FlushResult = { acknowledged: 0, pending: 0, deadLettered: 0, dropped: 0, timedOut: false };
  for (const { acknowledged, pending, deadLettered, dropped, timedOut } of results) {
    sum.acknowledged += acknowledged;
    sum.pending += pending;
    sum.deadLettered += deadLettered;
    sum.dropped += dropped;
    sum.timedOut ||= timedOut;
  }
  return sum;
}
