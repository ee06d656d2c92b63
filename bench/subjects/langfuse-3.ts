/**
 * The npm package `langfuse`, in two uses: `finished`, its cheapest (one event from a finished span of a known trace),
 * and `traced`, as its documentation shows (a trace, a generation under it, `end` when the answer is there).
 */
import { Langfuse } from "langfuse";
import type { Generation } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<Generation> = ({ baseUrl, options }) => {
  const client = new Langfuse({ ...benchKeys, baseUrl, flushAt: Number(options["flushAt"]) });
  client.on("error", (error: unknown) => console.error(`langfuse 3: ${String(error)}`));
  return {
    inputOf: (generation) => generation,
    call(generation) {
      if (options["use"] === "traced") {
        traceAndEnd(client, generation);
        return;
      }
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

function traceAndEnd(client: Langfuse, generation: Generation): void {
  const { traceId, spanId, name, startTime, model, modelParameters, usageDetails, input, output, metadata } =
    generation;
  const trace = client.trace({ id: traceId, name });
  const started = trace.generation({ id: spanId, name, startTime, model, modelParameters, input, metadata });
  started.end({ output, usageDetails });
}
