import { TraceFlags } from "@opentelemetry/api";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { SpanBufferOptions } from "../options.ts";
import type { SpanBuffer } from "../span-buffer.ts";
import { DropIn } from "./drop-in.ts";
import type { DropInSettings } from "./settings.ts";

/**
 * An OpenTelemetry `SpanProcessor` in the place of a `BatchSpanProcessor` and its exporter: a span is in the buffer when
 * `span.end()` returns, without a queue in between.
 *
 * Spans that are recorded but not sampled are left out. How it differs from OpenTelemetry's: docs/opentelemetry.md.
 */
export class BufferedSpanProcessor implements SpanProcessor {
  readonly #dropIn: DropIn;

  /**
   * @param buffer a buffer, which stays its owner's to shut down, or the options of one that ends with this processor.
   * @throws TypeError for unknown or invalid options and settings, naming them.
   */
  constructor(buffer?: SpanBuffer | SpanBufferOptions, settings?: DropInSettings) {
    this.#dropIn = new DropIn("BufferedSpanProcessor", buffer, settings);
  }

  onStart(): void {}

  /** Never throws. After `shutdown()` it does nothing. */
  onEnd(span: ReadableSpan): void {
    if (!this.#dropIn.isShutDown && isSampled(span)) this.#dropIn.take(span);
  }

  /**
   * Resolves when all spans that have ended before have been acknowledged by Langfuse, or are dead letters.
   *
   * @throws Error (a rejection) when that takes longer than `flushTimeoutMs`. The spans are not lost: they wait in the
   * journal.
   */
  forceFlush(): Promise<void> {
    return this.#dropIn.forceFlush();
  }

  /**
   * Delivers what can be delivered in time and leaves the rest in the journal. A buffer that was made from options ends
   * within its `shutdownTimeoutMs`; one that was given is flushed for at most five seconds and goes on. Never rejects.
   */
  shutdown(): Promise<void> {
    return this.#dropIn.shutdown();
  }
}

/** What does not say so is looked at further on, where its fault is found and counted. */
function isSampled(span: ReadableSpan): boolean {
  try {
    return (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
  } catch {
    return true;
  }
}
