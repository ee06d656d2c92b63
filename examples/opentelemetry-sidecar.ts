// An OpenTelemetry app with the plain OTLP exporter, which sends to the sidecar. In one terminal: npx span-buffer serve
// In another: OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 node examples/opentelemetry-sidecar.ts
// Nothing of this package is in the program: the sidecar answers once the spans are on its disk.
import { ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
const tracer = provider.getTracer("bot", "1.0");

const call = tracer.startSpan("call", { attributes: { "session.id": "call-4711", "user.id": "user-1" } });
const inCall = trace.setSpan(ROOT_CONTEXT, call);

// The names of OpenTelemetry's conventions for generative AI; Langfuse makes a generation of it.
const chat = tracer.startSpan(
  "chat",
  {
    attributes: {
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "gpt-4.1",
      "gen_ai.prompt": "What is the weather in Oslo?",
      "gen_ai.completion": "Twelve degrees and sunny.",
      "gen_ai.usage.input_tokens": 60,
      "gen_ai.usage.output_tokens": 9,
    },
  },
  inCall,
);
chat.end();

const tool = tracer.startSpan("look up", {}, inCall);
tool.setStatus({ code: SpanStatusCode.ERROR, message: "no such city" });
tool.end();
call.end();

await provider.forceFlush();
await provider.shutdown();
console.log("3 spans are with the sidecar");
