/** This package's tracing interface, used as langfuse-otel.ts uses that of `@langfuse/tracing`. */
import { SpanBuffer } from "../../src/index.ts";
import type { SpanContent } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

const flushTimeoutMs = 120_000;

export const prepare: PrepareSubject<SpanContent> = ({ baseUrl, directory, options }) => {
  const buffer = new SpanBuffer({ ...benchKeys, baseUrl, directory, ...options });
  return {
    inputOf: (content) => content,
    call({ name, output, generation }) {
      if (generation === undefined) {
        buffer.startSpan(name).update({ output }).end();
        return;
      }
      const { model, modelParameters, usageDetails, input, metadata } = generation;
      buffer
        .startSpan(name, { type: "generation", model, modelParameters, input })
        .update({ output, usageDetails, metadata })
        .end();
    },
    async settle() {
      await buffer.flush({ timeoutMs: flushTimeoutMs });
    },
    async close() {
      await buffer.shutdown();
    },
  };
};
