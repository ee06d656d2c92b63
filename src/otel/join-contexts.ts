import { context, isSpanContextValid, trace, TraceFlags } from "@opentelemetry/api";
import { setContextBridge } from "../tracing/context.ts";
import type { BufferedSpan, SpanReference } from "../tracing/span-fields.ts";

/**
 * Makes the spans of this package and those of OpenTelemetry's tracers parents of each other, for all buffers of the
 * process: `buffer.startSpan` without a parent hangs its span under the active one of OpenTelemetry, if that lies further
 * in than ours; and within `startActiveSpan`, `withSpan` and `observe` a tracer's spans hang under ours. Needs a registered
 * context manager, as every provider for Node brings.
 *
 * @returns what parts them again.
 */
export function joinContexts(): () => void {
  setContextBridge({ activeParent, run });
  return () => setContextBridge(undefined);
}

function activeParent(): SpanReference | undefined {
  const active = trace.getSpanContext(context.active());
  if (active === undefined || !isSpanContextValid(active)) return undefined;
  return { traceId: active.traceId, spanId: active.spanId, traceState: active.traceState?.serialize() };
}

function run<T>({ traceId, spanId }: BufferedSpan, fn: () => T): T {
  // Sampled: the buffers have a rate of their own, which sees the same trace id.
  const ours = { traceId, spanId, traceFlags: TraceFlags.SAMPLED };
  return context.with(trace.setSpanContext(context.active(), ours), fn);
}
