import { DeadLetterBox } from "./dead-letters.ts";
import type { Pipeline } from "./pipeline.ts";
import { disabledStats, type SpanBufferStats } from "./stats.ts";
import { noopSpan } from "./tracing/noop-span.ts";
import type { BufferedSpan, StartSpanOptions } from "./tracing/span-fields.ts";
import type { SpanRecord } from "./tracing/span-record.ts";
import type { Tracer } from "./tracing/tracer.ts";
import type { AuthCheckResult } from "./workers/messages.ts";

/**
 * Takes the spans of one project. They have a journal, a queue and connections of their own: nothing that happens to
 * another project's spans slows these, and the two never meet in one request.
 */
export interface SpanDestination {
  /** Starts a trace, or a span that joins one (`traceId`, `parentSpanId`). Never throws. */
  startSpan(name: string, options?: StartSpanOptions): BufferedSpan;
  /** Hands over a finished span; `false`: it was dropped, and counted under its reason in `stats().dropped`. */
  enqueue(span: SpanRecord): boolean;
  /** What the server refused for good. */
  readonly deadLetters: DeadLetterBox;
  /** Asks Langfuse who these keys are. Never rejects: what is wrong, and what to do, is in `reason`. */
  authCheck(): Promise<AuthCheckResult>;
  /** The figures of this moment. `accepted = acknowledged + pending + deadLettered + all dropped`, always. */
  stats(): SpanBufferStats;
}

export class PipelineDestination implements SpanDestination {
  readonly #pipeline: Pipeline;
  readonly #tracer: Tracer;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
    this.#tracer = pipeline.tracer;
  }

  startSpan(name: string, options?: StartSpanOptions): BufferedSpan {
    return this.#tracer.startSpan(name, options);
  }

  enqueue(span: SpanRecord): boolean {
    return this.#tracer.record(span);
  }

  get deadLetters(): DeadLetterBox {
    return this.#pipeline.deadLetters;
  }

  authCheck(): Promise<AuthCheckResult> {
    return this.#pipeline.authCheck();
  }

  stats(): SpanBufferStats {
    return this.#pipeline.stats();
  }
}

/** With `enabled: false`: every call is a cheap no-op. */
export const noDestination: SpanDestination = Object.freeze({
  startSpan: () => noopSpan,
  enqueue: () => false,
  deadLetters: new DeadLetterBox(async ({ name }) => {
    if (name === "get") return undefined;
    return name === "list" ? [] : 0;
  }),
  authCheck: async (): Promise<AuthCheckResult> => {
    return { ok: false, cause: "disabled", reason: "tracing is off (enabled: false): nothing was asked" };
  },
  stats: disabledStats,
});
