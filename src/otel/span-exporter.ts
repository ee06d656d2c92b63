import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { SpanBufferOptions } from "../options.ts";
import type { SpanBuffer } from "../span-buffer.ts";
import { DropIn } from "./drop-in.ts";
import type { DropInSettings } from "./settings.ts";

type ResultCallback = Parameters<SpanExporter["export"]>[1];
type ExportResultCode = Parameters<ResultCallback>[0]["code"];

/** By their numbers: the enumeration is in a package that nothing else is needed of. */
const code = { success: 0, failed: 1 } as unknown as Readonly<Record<"success" | "failed", ExportResultCode>>;

/**
 * An OpenTelemetry `SpanExporter` for processors of somebody else's, as `new LangfuseSpanProcessor({ exporter })` of
 * `@langfuse/otel`. Where there is a choice, `BufferedSpanProcessor` is the shorter way.
 */
export class BufferedSpanExporter implements SpanExporter {
  readonly #dropIn: DropIn;

  /**
   * @param buffer a buffer, which stays its owner's to shut down, or the options of one that ends with this exporter.
   * @throws TypeError for unknown or invalid options and settings, naming them.
   */
  constructor(buffer?: SpanBuffer | SpanBufferOptions, settings?: DropInSettings) {
    this.#dropIn = new DropIn("BufferedSpanExporter", buffer, settings);
  }

  /**
   * Takes the spans over and says so at once: success is that the buffer has them, not yet that Langfuse does. A failure
   * says how many were dropped; they are counted in `stats().dropped`, and must not be given again.
   */
  export(spans: ReadableSpan[], resultCallback: ResultCallback): void {
    if (this.#dropIn.isShutDown) {
      resultCallback({ code: code.failed, error: new Error("langfuse-span-buffer: this exporter has been shut down") });
      return;
    }
    let lost = 0;
    for (const span of spans) if (!this.#dropIn.take(span)) lost++;
    if (lost === 0) resultCallback({ code: code.success });
    else resultCallback({ code: code.failed, error: new Error(`langfuse-span-buffer: ${lost} spans were dropped`) });
  }

  /** As that of `BufferedSpanProcessor`. OpenTelemetry's own batch processor does not call it. */
  forceFlush(): Promise<void> {
    return this.#dropIn.forceFlush();
  }

  /** As that of `BufferedSpanProcessor`. */
  shutdown(): Promise<void> {
    return this.#dropIn.shutdown();
  }
}
