import { type ResolvedOptions, resolveOptions, type SpanBufferOptions } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import { disabledStats, type FlushResult, type SpanBufferStats } from "./stats.ts";
import { noopSpan } from "./tracing/noop-span.ts";
import type { BufferedSpan, StartSpanOptions } from "./tracing/span-fields.ts";
import type { SpanRecord } from "./tracing/span-record.ts";
import type { AuthCheckResult } from "./workers/messages.ts";

const defaultFlushTimeoutMs = 30_000;

/** The longest that a timer of Node's can be. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * Takes spans in microseconds, journals them, and delivers them to Langfuse through outages, crashes and restarts.
 * One instance a process is the rule; each has a pump thread of its own.
 */
export class SpanBuffer {
  readonly #options: ResolvedOptions;
  readonly #pipeline: Pipeline | undefined;

  /**
   * Returns at once and accepts spans at once; thread and journal come up behind it.
   *
   * @throws TypeError for an unknown or invalid option, naming it. Missing keys do not throw.
   */
  constructor(options?: SpanBufferOptions) {
    this.#options = resolveOptions(options);
    if (this.#options.enabled) this.#pipeline = new Pipeline(this.#options);
  }

  /** Starts a trace, or a span that joins one (`traceId`, `parentSpanId`). Never throws. */
  startSpan(name: string, options?: StartSpanOptions): BufferedSpan {
    return this.#pipeline === undefined ? noopSpan : this.#pipeline.tracer.startSpan(name, options);
  }

  /** Hands over a finished span; `false`: it was dropped, and counted under its reason in `stats().dropped`. */
  enqueue(span: SpanRecord): boolean {
    return this.#pipeline === undefined ? false : this.#pipeline.enqueue(span);
  }

  /**
   * Resolves when all that was accepted before this call, and what earlier processes left in the journal, has been
   * acknowledged or dead-lettered, or after `timeoutMs` (default 30,000). The counts are those of `stats()` then.
   */
  async flush(options: { timeoutMs?: number } = {}): Promise<FlushResult> {
    if (this.#pipeline === undefined) return { ...noResult };
    return await this.#pipeline.flush(limitOf(options.timeoutMs, defaultFlushTimeoutMs));
  }

  /**
   * Delivers what can be delivered, leaves the rest in the journal and ends the thread, all within `timeoutMs`
   * (default: the option `shutdownTimeoutMs`). Spans that end later are dropped and counted. A second call gets the
   * result of the first.
   */
  async shutdown(options: { timeoutMs?: number } = {}): Promise<FlushResult> {
    if (this.#pipeline === undefined) return { ...noResult };
    return await this.#pipeline.shutdown(limitOf(options.timeoutMs, this.#options.shutdownTimeoutMs));
  }

  /** Asks Langfuse who these keys are. Never rejects: what is wrong, and what to do, is in `reason`. */
  async authCheck(): Promise<AuthCheckResult> {
    if (this.#pipeline === undefined) {
      return { ok: false, cause: "disabled", reason: "tracing is off (enabled: false): nothing was asked" };
    }
    return await this.#pipeline.authCheck();
  }

  /** The figures of this moment. `accepted = acknowledged + pending + deadLettered + all dropped`, always. */
  stats(): SpanBufferStats {
    return this.#pipeline === undefined ? disabledStats() : this.#pipeline.stats();
  }
}

const noResult: FlushResult = { acknowledged: 0, pending: 0, deadLettered: 0, dropped: 0, timedOut: false };

/** A time limit as it was meant: nothing or nonsense is the default, `Infinity` as long as a timer can run. */
function limitOf(timeoutMs: number | undefined, fallbackMs: number): number {
  if (timeoutMs === undefined || Number.isNaN(timeoutMs)) return fallbackMs;
  return Math.min(maxTimeoutMs, Math.max(0, timeoutMs));
}
