/** A plain OpenTelemetry tracer, given a span processor: the call is the same for all, only the processor differs. */
import { SpanKind } from "@opentelemetry/api";
import { BasicTracerProvider, type SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { otelAttributesOf } from "./span.ts";
import type { Subject } from "./subject.ts";

export interface OtelInput {
  name: string;
  attributes: ReturnType<typeof otelAttributesOf>;
}

export function otelTracer(spanProcessors: SpanProcessor[]): Subject<OtelInput> {
  const provider = new BasicTracerProvider({ spanProcessors });
  const tracer = provider.getTracer("bench");
  return {
    inputOf: (content) => ({ name: content.name, attributes: otelAttributesOf(content) }),
    call({ name, attributes }) {
      tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }).end();
    },
    async settle() {
      await provider.forceFlush();
    },
    async close() {
      await provider.shutdown();
    },
  };
}
