import type { SpanPayload } from "../../buffer/span-payload.ts";
import type { TraceDefaults } from "../options.ts";

/** What the spans of one project learn from each other and from what their attributes say. */
export interface Enricher {
  /**
   * Adds to a span, in place, what Langfuse reads: fields that it does not say itself. `attributes` are OTLP's
   * `[{ key, value: { stringValue } }]`.
   *
   * @param defaults of the request or, failing that, of the sidecar.
   */
  enrich(span: SpanPayload, defaults: TraceDefaults): void;
}

export function createEnricher(): Enricher {
  return { enrich: () => undefined };
}
