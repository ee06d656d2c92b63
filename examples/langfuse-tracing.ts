// `@langfuse/tracing` as it is, on its own processor; one line more, and its spans survive outages and crashes.
// Run: node examples/langfuse-tracing.ts
import { LangfuseSpanProcessor } from "@langfuse/otel";
import {
  propagateAttributes,
  setLangfuseTracerProvider,
  startActiveObservation,
  startObservation,
} from "@langfuse/tracing";
import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { BufferedSpanExporter } from "langfuse-span-buffer/otel";

const processor = new LangfuseSpanProcessor({
  exporter: new BufferedSpanExporter(), // the line
  exportMode: "immediate", // batches are the buffer's business; nothing waits in memory
});
context.setGlobalContextManager(new AsyncLocalStorageContextManager());
setLangfuseTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }));

await propagateAttributes({ sessionId: "call-4711", userId: "user-1", tags: ["voice-agent"] }, () =>
  startActiveObservation("turn", async (turn) => {
    turn.update({ input: "What is the weather in Oslo?" });
    const llm = startObservation(
      "llm",
      { model: "gpt-4.1", input: "What is the weather in Oslo?" },
      { asType: "generation" },
    );
    llm.update({ output: "Twelve degrees and sunny.", usageDetails: { input: 60, output: 9 } }).end();
    turn.update({ output: "Twelve degrees and sunny." });
  }),
);

await processor.shutdown();
console.log("delivered, or in the journal");
