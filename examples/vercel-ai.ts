// The Vercel AI SDK with its own telemetry, into a buffer. Run: node examples/vercel-ai.ts
// The model answers by rote, so that no key is needed: put yours in its place.
import { OpenTelemetry } from "@ai-sdk/otel";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { generateText, registerTelemetry } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { SpanBuffer } from "langfuse-span-buffer";
import { BufferedSpanProcessor } from "langfuse-span-buffer/otel";

const buffer = new SpanBuffer();
const provider = new BasicTracerProvider({ spanProcessors: [new BufferedSpanProcessor(buffer)] });
registerTelemetry(new OpenTelemetry({ tracer: provider.getTracer("ai") }));

const model = new MockLanguageModelV4({
  modelId: "rote-1",
  doGenerate: {
    content: [{ type: "text", text: "Twelve degrees and sunny." }],
    finishReason: { unified: "stop", raw: "stop" },
    usage: {
      inputTokens: { total: 60, noCache: 60, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 9, text: 9, reasoning: 0 },
    },
    warnings: [],
  },
});

const { text } = await generateText({ model, prompt: "What is the weather in Oslo?" });
console.log(text);

const { pending } = await buffer.shutdown({ timeoutMs: 20_000 });
console.log(`${pending} in the journal`);
