/**
 * The npm package `langfuse`, in two uses: `finished`, its cheapest (one event from a finished span of a known trace),
 * and `traced`, as its documentation shows (a trace, a generation under it, `end` when the answer is there).
 */
import { Langfuse } from "langfuse";
import type { SpanContent } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<SpanContent> = ({ baseUrl, options }) => {
  const { use, ...clientOptions } = options;
  const client = new Langfuse({ ...benchKeys, baseUrl, ...clientOptions });
  client.on("error", () => undefined);
  return {
    inputOf: (content) => content,
    call(content) {
      if (use === "traced") {
        traceAndEnd(client, content);
        return;
      }
      const { traceId, spanId, parentSpanId, name, startTime, endTime, output, generation } = content;
      const head = { id: spanId, traceId, parentObservationId: parentSpanId, name, startTime, endTime };
      if (generation === undefined) {
        client.span({ ...head, output });
        return;
      }
      const { model, modelParameters, usageDetails, input, metadata } = generation;
      client.generation({ ...head, model, modelParameters, usageDetails, input, output, metadata });
    },
    async settle() {
      await client.flushAsync();
    },
    async close() {
      await client.shutdownAsync();
    },
  };
};

function traceAndEnd(client: Langfuse, { traceId, spanId, name, startTime, output, generation }: SpanContent): void {
  const trace = client.trace({ id: traceId, name });
  if (generation === undefined) {
    trace.span({ id: spanId, name, startTime }).end({ output });
    return;
  }
  const { model, modelParameters, usageDetails, input, metadata } = generation;
  const started = trace.generation({ id: spanId, name, startTime, model, modelParameters, input, metadata });
  started.end({ output, usageDetails });
}
