/** The npm package `langfuse`. Its objects are built from a finished span, its cheapest use: one event a span. */
import { Langfuse } from "langfuse";
import type { Generation } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<Generation> = ({ baseUrl, options }) => {
  const client = new Langfuse({ ...benchKeys, baseUrl, flushAt: Number(options["flushAt"]) });
  client.on("error", (error: unknown) => console.error(`langfuse 3: ${String(error)}`));
  return {
    inputOf: (generation) => generation,
    call(generation) {
      const { traceId, spanId, parentSpanId, name, startTime, endTime } = generation;
      const { model, modelParameters, usageDetails, input, output, metadata } = generation;
      client.generation({
        id: spanId,
        traceId,
        parentObservationId: parentSpanId,
        name,
        startTime,
        endTime,
        model,
        modelParameters,
        usageDetails,
        input,
        output,
        metadata,
      });
    },
    async settle() {
      await client.flushAsync();
    },
    async close() {
      await client.shutdownAsync();
    },
  };
};
