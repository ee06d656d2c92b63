/** OpenTelemetry's SDK as the tests use it: a provider that ends with the test, ids that are the same each time. */
import {
  BasicTracerProvider,
  type IdGenerator,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  type SpanProcessor,
  type TracerConfig,
} from "@opentelemetry/sdk-trace-base";
import { onTestFinished } from "vitest";

export function providerWith(processor: SpanProcessor, config: Partial<TracerConfig> = {}): BasicTracerProvider {
  const provider = new BasicTracerProvider({ ...config, spanProcessors: [processor] });
  onTestFinished(async () => {
    await provider.shutdown().catch(() => undefined);
  });
  return provider;
}

/** Finished spans, as a processor gets them. */
export function finishedSpans(names: readonly string[], config: Partial<TracerConfig> = {}): ReadableSpan[] {
  const spans: ReadableSpan[] = [];
  const collect: SpanProcessor = {
    onStart() {},
    onEnd: (span) => void spans.push(span),
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  };
  const tracer = new BasicTracerProvider({ ...config, spanProcessors: [collect] }).getTracer("test");
  for (const name of names) tracer.startSpan(name).end();
  return spans;
}

/** Records spans and does not sample them. */
export const recordOnly: Sampler = {
  shouldSample: () => ({ decision: SamplingDecision.RECORD }),
};

/** 1, 2, 3 … as ids. */
export function countingIds(): IdGenerator {
  let last = 0;
  const next = (digits: number): string => (++last).toString(16).padStart(digits, "0");
  return { generateTraceId: () => next(32), generateSpanId: () => next(16) };
}
