/**
 * Adds to spans what Langfuse reads and their senders do not say: Pipecat's values under Langfuse's names (pipecat.ts)
 * and, on every span, what is known of its trace (trace-context.ts). It adds; what a span says itself stays. Enriching a
 * span again changes nothing.
 */
import type { SpanPayload } from "../../buffer/span-payload.ts";
import type { TraceDefaults } from "../options.ts";
import { addPipecatFields } from "./add-pipecat-fields.ts";
import { isPipecatName, isPipecatScope, type PipecatRule, pipecatAttributes, ruleFor } from "./pipecat.ts";
import { SpanAttributes } from "./span-attributes.ts";
import { usageAttributes } from "./token-usage.ts";
import { TraceContext, traceAttributes } from "./trace-context.ts";

/** What the spans of one project learn from each other and from what their attributes say. */
export interface Enricher {
  /**
   * Takes what a span says about its trace, and changes nothing. Called for all spans of a request before the first is
   * enriched, it makes their order in the request meaningless; `enrich` learns from its span too.
   */
  learn(span: SpanPayload): void;
  /**
   * Adds to a span, in place, what Langfuse reads: fields that it does not say itself. `attributes` are OTLP's
   * `[{ key, value: { stringValue } }]`; the list itself is never written to. A span with a plain object of attributes
   * gets only what is known of its trace. Never throws, whatever a client has put into the span.
   *
   * @param defaults of the request or, failing that, of the sidecar.
   */
  enrich(span: SpanPayload, defaults: TraceDefaults): void;
}

const metadataPrefix = "langfuse.observation.metadata.";

export function createEnricher(): Enricher {
  return new SpanEnricher();
}

class SpanEnricher implements Enricher {
  readonly #traces = new TraceContext();
  /** Most spans of a foreign tracer have nothing for us: few keys are looked for in them. */
  readonly #ofAny = new SpanAttributes(traceAttributes);
  readonly #ofPipecat = new SpanAttributes(
    [...traceAttributes, ...pipecatAttributes, ...usageAttributes],
    metadataPrefix,
  );

  learn(span: SpanPayload): void {
    const { attributes, rule, isPipecats } = this.#look(span);
    this.#learn(span, attributes, rule, isPipecats);
    attributes.forget();
  }

  enrich(span: SpanPayload, defaults: TraceDefaults): void {
    const { attributes, rule, isPipecats } = this.#look(span);
    this.#learn(span, attributes, rule, isPipecats);
    const { trace } = span;
    const said = typeof trace === "object" && trace !== null ? trace : undefined;
    const missing = this.#traces.missing(span.traceId, attributes, isPipecats, said, defaults);
    if (missing !== undefined) span.trace = said === undefined ? missing : { ...said, ...missing };
    if (rule !== undefined) addPipecatFields(span, attributes, rule);
    attributes.forget();
  }

  #look(span: SpanPayload): { attributes: SpanAttributes; rule: PipecatRule | undefined; isPipecats: boolean } {
    const isOfScope = isPipecatScope((span.scope as { name?: unknown } | null | undefined)?.name);
    if (!isOfScope && !isPipecatName(span.name)) {
      this.#ofAny.read(span);
      return { attributes: this.#ofAny, rule: undefined, isPipecats: false };
    }
    const attributes = this.#ofPipecat;
    attributes.read(span);
    const rule = ruleFor(span.name, isOfScope, (key) => attributes.has(key));
    return { attributes, rule, isPipecats: isOfScope || rule !== undefined };
  }

  #learn(span: SpanPayload, attributes: SpanAttributes, rule: PipecatRule | undefined, isPipecats: boolean): void {
    if (typeof span.traceId !== "string") return;
    const isRoot = rule?.namesTrace === true && (span.parentSpanId === undefined || span.parentSpanId === "");
    this.#traces.learn(span.traceId, attributes, isPipecats, isRoot ? span.name : undefined);
  }
}
