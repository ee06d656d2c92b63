/** OpenTelemetry by hand: the batch processor with an OTLP exporter pointed at Langfuse's route. */
import { SpanKind } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { otelAttributesOf } from "../span.ts";
import type { PrepareSubject } from "../subject.ts";

interface Input {
  name: string;
  attributes: ReturnType<typeof otelAttributesOf>;
}

export const prepare: PrepareSubject<Input> = ({ baseUrl, options }) => {
  const { encoding, ...exporterOptions } = options;
  const settings = { url: `${baseUrl}/api/public/otel/v1/traces`, ...exporterOptions };
  const exporter = encoding === "json" ? new JsonExporter(settings) : new ProtobufExporter(settings);
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
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
};
