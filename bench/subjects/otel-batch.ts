/** OpenTelemetry by hand: the batch processor with an OTLP exporter pointed at Langfuse's route. */
import { SpanKind } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { otelAttributesOf } from "../span.ts";
import type { PrepareSubject } from "../subject.ts";

type Attributes = ReturnType<typeof otelAttributesOf>;

export const prepare: PrepareSubject<Attributes> = ({ baseUrl, options }) => {
  const url = `${baseUrl}/api/public/otel/v1/traces`;
  const exporter = options["encoding"] === "json" ? new JsonExporter({ url }) : new ProtobufExporter({ url });
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
  const tracer = provider.getTracer("bench");
  return {
    inputOf: otelAttributesOf,
    call(attributes) {
      tracer.startSpan("llm", { kind: SpanKind.CLIENT, attributes }).end();
    },
    async settle() {
      await provider.forceFlush();
    },
    async close() {
      await provider.shutdown();
    },
  };
};
