/** From OpenTelemetry's finished spans into a buffer. */
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { type SpanBuffer, tracerOf } from "../span-buffer.ts";
import { isSampled } from "../tracing/ids.ts";
import type { SpanRecord } from "../tracing/span-record.ts";
import type { Recorder, Tracer } from "../tracing/tracer.ts";
import { flatTextOf } from "./flat-text.ts";
import { payloadOf, surroundingsOf } from "./readable-span.ts";

type Resource = ReadableSpan["resource"];
type Scope = ReadableSpan["instrumentationScope"];

/**
 * All spans of a provider have the same resource object, and all of a tracer the same scope: what the two say is
 * serialised once, and found again by the objects themselves.
 */
export class HandOver {
  readonly #buffer: SpanBuffer;
  readonly #tracer: Tracer | undefined;
  readonly #recorders = new WeakMap<Resource, WeakMap<Scope, Recorder>>();
  /** Those of the last span, which the next one nearly always has too. */
  #resource: Resource | undefined;
  #scope: Scope | undefined;
  #recorder: Recorder | undefined;

  constructor(buffer: SpanBuffer) {
    this.#buffer = buffer;
    this.#tracer = tracerOf(buffer);
  }

  /**
   * `false`: the span is lost, and counted; one that nobody wants (tracing off, not in the sample) is none. Never throws:
   * a span that cannot be read becomes a dead letter.
   */
  take(span: ReadableSpan): boolean {
    const tracer = this.#tracer;
    if (tracer === undefined) return true;
    try {
      const recorder = this.#recorderOf(span, tracer);
      const { flat } = recorder;
      const text = flat === undefined ? undefined : flatTextOf(span, flat.mostUnits);
      if (text !== undefined && flat !== undefined) return flat.record(text, span.attributes);
      const payload = payloadOf(span);
      return recorder.record(payload) || !isSampled(payload.traceId, tracer.options.sampleRate);
    } catch {
      return this.#buffer.enqueue(span as unknown as SpanRecord);
    }
  }

  #recorderOf(span: ReadableSpan, tracer: Tracer): Recorder {
    const { resource, instrumentationScope } = span;
    if (this.#recorder !== undefined && resource === this.#resource && instrumentationScope === this.#scope) {
      return this.#recorder;
    }
    // What is not settled yet will say more.
    if (resource.asyncAttributesPending === true) return tracer.recorderFor(surroundingsOf(span));
    let byScope = this.#recorders.get(resource);
    if (byScope === undefined) {
      byScope = new WeakMap();
      this.#recorders.set(resource, byScope);
    }
    let recorder = byScope.get(instrumentationScope);
    if (recorder === undefined) {
      recorder = tracer.recorderFor(surroundingsOf(span));
      byScope.set(instrumentationScope, recorder);
    }
    this.#resource = resource;
    this.#scope = instrumentationScope;
    this.#recorder = recorder;
    return recorder;
  }
}
