/** Langfuse's current SDK: `@langfuse/tracing` on the `LangfuseSpanProcessor` of `@langfuse/otel`. */
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { setLangfuseTracerProvider, startObservation } from "@langfuse/tracing";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import type { Generation } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<Generation> = ({ baseUrl }) => {
  const processor = new LangfuseSpanProcessor({ ...benchKeys, baseUrl });
  const provider = new BasicTracerProvider({ spanProcessors: [processor] });
  setLangfuseTracerProvider(provider);
  return {
    inputOf: (generation) => generation,
    call({ name, model, modelParameters, usageDetails, input, output, metadata }) {
      startObservation(name, { model, modelParameters, input }, { asType: "generation" })
        .update({ output, usageDetails, metadata })
        .end();
    },
    async settle() {
      await provider.forceFlush();
    },
    async close() {
      await provider.shutdown();
    },
  };
};
