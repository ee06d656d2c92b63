/** What the drop-ins take: a buffer or its options, and settings of their own. */
import type { MeterProvider } from "@opentelemetry/api";
import type { SpanBufferOptions } from "../options.ts";
import { SpanBuffer } from "../span-buffer.ts";

/** Of a processor or an exporter, beside the buffer. All are optional. */
export interface DropInSettings {
  /** How long `forceFlush()` waits for Langfuse, in milliseconds, 1 … 600,000. Default: 30,000. */
  flushTimeoutMs?: number | undefined;
  /** Where the self-metrics go. Default: the global one, if there is one. */
  meterProvider?: MeterProvider | undefined;
}

export interface ResolvedSettings {
  flushTimeoutMs: number;
  meterProvider: MeterProvider | undefined;
}

export interface OwnedBuffer {
  buffer: SpanBuffer;
  /** Made here, so it ends with the drop-in. One that was given is its owner's to shut down. */
  isOurs: boolean;
}

const defaultFlushTimeoutMs = 30_000;
const longestFlushTimeoutMs = 600_000;
const names: readonly string[] = ["flushTimeoutMs", "meterProvider"] satisfies (keyof DropInSettings)[];

/** @throws TypeError for invalid options of the buffer, naming them, and for a buffer of another copy of this package. */
export function bufferOf(given: SpanBuffer | SpanBufferOptions | undefined): OwnedBuffer {
  if (given instanceof SpanBuffer) return { buffer: given, isOurs: false };
  if (typeof (given as { enqueue?: unknown } | undefined)?.enqueue === "function") {
    throw new TypeError(
      "langfuse-span-buffer/otel: this buffer is of another copy of langfuse-span-buffer (npm ls langfuse-span-buffer shows them): import both from the same one",
    );
  }
  return { buffer: new SpanBuffer(given), isOurs: true };
}

/** @throws TypeError that names what is unknown or not allowed, and what is allowed. */
export function resolveSettings(settings: DropInSettings = {}): ResolvedSettings {
  const { flushTimeoutMs = defaultFlushTimeoutMs, meterProvider } = settings;
  const problems = Object.keys(settings)
    .filter((name) => !names.includes(name))
    .map((name) => `unknown setting "${name}" (there are ${names.join(" and ")}; the buffer's options go first)`);
  if (!Number.isInteger(flushTimeoutMs) || flushTimeoutMs < 1 || flushTimeoutMs > longestFlushTimeoutMs) {
    problems.push(`setting "flushTimeoutMs" ${String(flushTimeoutMs)} is not allowed: 1 … 600000 (milliseconds)`);
  }
  if (meterProvider !== undefined && typeof meterProvider?.getMeter !== "function") {
    problems.push('setting "meterProvider" is not allowed: an OpenTelemetry MeterProvider');
  }
  if (problems.length > 0) throw new TypeError(`langfuse-span-buffer/otel: ${problems.join("; ")}`);
  return { flushTimeoutMs, meterProvider };
}
