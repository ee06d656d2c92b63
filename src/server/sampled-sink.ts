import type { SpanPayload } from "../buffer/span-payload.ts";
import type { CommittingSink } from "../committing-sink.ts";
import type { Pipeline } from "../pipeline.ts";
import { isSampled } from "../tracing/ids.ts";

/** Keeps a share of the traces, each whole, chosen by its id as an embedded buffer and Langfuse's SDKs choose. */
export class SampledSink implements CommittingSink {
  readonly #pipeline: Pipeline;
  readonly #sampleRate: number;

  constructor(pipeline: Pipeline, sampleRate: number) {
    this.#pipeline = pipeline;
    this.#sampleRate = sampleRate;
  }

  /** True also for a span outside the sample: nobody is to send it again. It counts as `dropped["sampled-out"]`. */
  offer(payload: SpanPayload): boolean {
    if (isSampled(payload.traceId, this.#sampleRate)) return this.#pipeline.offer(payload);
    this.#pipeline.tracer.options.sink.sampleOut();
    return true;
  }

  get sequence(): number {
    return this.#pipeline.sequence;
  }

  whenCommitted(sequence: number, limitMs: number): Promise<boolean> {
    return this.#pipeline.whenCommitted(sequence, limitMs);
  }

  get trouble(): string | undefined {
    return this.#pipeline.trouble;
  }
}
