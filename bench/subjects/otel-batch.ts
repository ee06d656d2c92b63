/** OpenTelemetry by hand: the batch processor with an OTLP exporter pointed at Langfuse's route. */
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { type OtelInput, otelTracer } from "../otel-tracer.ts";
import type { PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<OtelInput> = ({ baseUrl, options }) => {
  const { encoding, ...exporterOptions } = options;
  const settings = { url: `${baseUrl}/api/public/otel/v1/traces`, ...exporterOptions };
  const exporter = encoding === "json" ? new JsonExporter(settings) : new ProtobufExporter(settings);
  return otelTracer([new BatchSpanProcessor(exporter)]);
};
