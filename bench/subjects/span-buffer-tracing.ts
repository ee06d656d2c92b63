/** This package's tracing interface, used as langfuse-otel.ts uses that of `@langfuse/tracing`. */
import { SpanBuffer } from "../../src/index.ts";
import type { Generation } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<Generation> = ({ baseUrl, directory, options }) => {
  const durability = options["durability"] as "journal" | "overflow";
  const buffer = new SpanBuffer({ ...benchKeys, baseUrl, directory, durability });
  return {
    inputOf: (generation) => generation,
    call({ name, model, modelParameters, usageDetails, input, output, metadata }) {
      buffer
        .startSpan(name, { type: "generation", model, modelParameters, input })
        .update({ output, usageDetails, metadata })
        .end();
    },
    async settle() {
      await buffer.flush();
    },
    async close() {
      await buffer.shutdown();
    },
  };
};
