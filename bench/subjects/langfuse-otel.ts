/** Langfuse's current SDK: `@langfuse/tracing` on the `LangfuseSpanProcessor` of `@langfuse/otel`. */
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { setLangfuseTracerProvider, startObservation } from "@langfuse/tracing";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import type { SpanContent } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<SpanContent> = ({ baseUrl, options }) => {
  const processor = new LangfuseSpanProcessor({ ...benchKeys, baseUrl, ...options });
  const provider = new BasicTracerProvider({ spanProcessors: [processor] });
  setLangfuseTracerProvider(provider);
  return {
    inputOf: (content) => content,
    call({ name, output, generation }) {
      if (generation === undefined) {
        startObservation(name).update({ output }).end();
        return;
      }
      const { model, modelParameters, usageDetails, input, metadata } = generation;
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
