import type { SpanPayload } from "./buffer/span-payload.ts";
import { type DeadLetterBox, noDeadLetters } from "./dead-letters.ts";
import { hasEventLeftovers, openEventPipeline } from "./event-pipeline.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Pipeline } from "./pipeline.ts";
import { disabledStats, type SpanBufferStats } from "./stats.ts";
import type { ScoreEvent, ScoreSink } from "./tracing/score.ts";

/**
 * The scores of one destination, journalled as spans are, by a pipeline of their own. Most buffers never see a score: it is
 * opened with the first one, or when an earlier process has left some.
 */
export class ScoreBuffer implements ScoreSink {
  readonly #options: ResolvedOptions;
  readonly #name: string | undefined;
  #pipeline: Pipeline | undefined;
  #leftoversCheck: NodeJS.Immediate | undefined;
  #isClosed = false;
  #sampledOut = 0;
  /** Scores after the shutdown of a buffer that had seen none. */
  #late = 0;
  /** There was no memory or no thread for the pipeline. */
  #unplaced = 0;

  constructor(options: ResolvedOptions, name: string | undefined) {
    this.#options = options;
    this.#name = name;
    // Behind the constructor, which a second pump thread would make twice as long.
    this.#leftoversCheck = setImmediate(() => this.#openLeftovers()).unref();
  }

  offer(event: ScoreEvent): boolean {
    if (this.#pipeline === undefined && this.#isClosed) {
      this.#late++;
      return false;
    }
    try {
      // The stored form is JSON of whatever is offered; who reads it here is the task for events.
      return this.#open().offer(event as unknown as SpanPayload);
    } catch {
      this.#unplaced++;
      return false;
    }
  }

  sampleOut(): false {
    this.#sampledOut++;
    return false;
  }

  /** The one there is, or is to be for what an earlier process left; for flush and shutdown. */
  get pipeline(): Pipeline | undefined {
    this.#openLeftovers();
    return this.#pipeline;
  }

  get deadLetters(): DeadLetterBox {
    return this.#pipeline?.deadLetters ?? noDeadLetters;
  }

  /** From now on nothing is opened any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Undefined: there has been no score, nor any left by an earlier process. */
  stats(): SpanBufferStats | undefined {
    const refused = this.#sampledOut + this.#late + this.#unplaced;
    if (this.#pipeline === undefined && refused === 0) return undefined;
    const stats = this.#pipeline?.stats() ?? disabledStats();
    stats.accepted += refused;
    stats.dropped["sampled-out"] += this.#sampledOut;
    stats.dropped["shut-down"] += this.#late;
    stats.dropped["memory-full"] += this.#unplaced;
    return stats;
  }

  /** Once. A directory that cannot be read is the pump's to report; tracing goes on. */
  #openLeftovers(): void {
    if (this.#leftoversCheck === undefined) return;
    clearImmediate(this.#leftoversCheck);
    this.#leftoversCheck = undefined;
    try {
      if (!this.#isClosed && hasEventLeftovers(this.#options)) this.#open();
    } catch {
      // They stay where they are, for the next start.
    }
  }

  #open(): Pipeline {
    this.#pipeline ??= openEventPipeline(this.#options, this.#name);
    return this.#pipeline;
  }
}
