import type { DeadLetterBox } from "./dead-letters.ts";
import { noDestination, PipelineDestination, type SpanDestination } from "./destination.ts";
import { optionsFor, type ResolvedOptions, resolveOptions, type SpanBufferOptions } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import type { FlushResult, SpanBufferStats } from "./stats.ts";
import type { BufferedSpan, StartSpanOptions } from "./tracing/span-fields.ts";
import type { SpanRecord } from "./tracing/span-record.ts";
import type { AuthCheckResult } from "./workers/messages.ts";

const defaultFlushTimeoutMs = 30_000;

/** The longest that a timer of Node's can be. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * Takes spans in microseconds, journals them, and delivers them to Langfuse through outages, crashes and restarts.
 * One instance a process is the rule; each has a pump thread of its own, and one more for each further destination.
 */
export class SpanBuffer {
  readonly #options: ResolvedOptions;
  /** The buffer's own and those of further destinations; none while tracing is off. */
  readonly #pipelines: Pipeline[] = [];
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
    for (const [name, destination] of Object.entries(this.#options.destinations ?? {})) {
      this.#destinations.set(name, this.#open(optionsFor(this.#options, destination), name));
    }
  }

  /** Starts a trace, or a span that joins one (`traceId`, `parentSpanId`). Never throws. */
  startSpan(name: string, options?: StartSpanOptions): BufferedSpan {
    return this.#own.startSpan(name, options);
  }

  /** Hands over a finished span; `false`: it was dropped, and counted under its reason in `stats().dropped`. */
  enqueue(span: SpanRecord): boolean {
    return this.#own.enqueue(span);
  }

  /** The spans that the server refused for good, with its words: to be listed, sent again or removed. */
  get deadLetters(): DeadLetterBox {
    return this.#own.deadLetters;
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
   * acknowledged or dead-lettered, or after `timeoutMs` (default 30,000). The counts are those of `stats()` then, of all
   * destinations together.
   */
  async flush(options: { timeoutMs?: number } = {}): Promise<FlushResult> {
    const timeoutMs = limitOf(options.timeoutMs, defaultFlushTimeoutMs);
    return sumOf(await Promise.all(this.#pipelines.map((pipeline) => pipeline.flush(timeoutMs))));
  }

  /**
   * Delivers what can be delivered, leaves the rest in the journal and ends the thread, all within `timeoutMs`
   * (default: the option `shutdownTimeoutMs`). Spans that end later are dropped and counted. A second call gets the
   * result of the first.
   */
  async shutdown(options: { timeoutMs?: number } = {}): Promise<FlushResult> {
    const timeoutMs = limitOf(options.timeoutMs, this.#options.shutdownTimeoutMs);
    return sumOf(await Promise.all(this.#pipelines.map((pipeline) => pipeline.shutdown(timeoutMs))));
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
    const pipeline = new Pipeline(options, { name });
    this.#pipelines.push(pipeline);
    return new PipelineDestination(pipeline);
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

/** A time limit as it was meant: nothing or nonsense is the default, `Infinity` as long as a timer can run. */
function limitOf(timeoutMs: number | undefined, fallbackMs: number): number {
  if (timeoutMs === undefined || Number.isNaN(timeoutMs)) return fallbackMs;
  return Math.min(maxTimeoutMs, Math.max(0, timeoutMs));
}
