/** OpenTelemetry's JS SDK over HTTP; `json` or `protobuf` by the first argument, all else by its environment. */
import process from "node:process";
import { ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { endedSpans, fact, recordExports, sidecarUrl, units } from "./recording.ts";

process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = sidecarUrl;
const Exporter = process.argv[2] === "protobuf" ? ProtobufExporter : JsonExporter;
recordExports(Exporter);
const provider = new BasicTracerProvider({ spanProcessors: [endedSpans, new BatchSpanProcessor(new Exporter())] });
const tracer = provider.getTracer("interop", "1.0");

for await (const number of units()) {
  const root = tracer.startSpan(`call-${number}`, {
    attributes: { "session.id": `session-${number}`, "user.id": "ada" },
  });
  const within = trace.setSpan(ROOT_CONTEXT, root);
  const chat = tracer.startSpan(
    "chat",
    {
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.prompt": "Wie spät ist es? 🕙",
        "gen_ai.completion": "Zehn.",
        numbers: [1, 2, 3],
        ratio: 0.5,
        big: Number.MAX_SAFE_INTEGER,
      },
    },
    within,
  );
  chat.addEvent("first token", { index: 0 });
  chat.end();
  const failing = tracer.startSpan("failing", {}, within);
  failing.setStatus({ code: SpanStatusCode.ERROR, message: "no such tool" });
  failing.end();
  root.end();
}
// It rejects when an export failed for good.
fact(
  "flushed",
  await provider.forceFlush().then(
    () => true,
    () => false,
  ),
);
await provider.shutdown();
