import type { ObservationLevel, ObservationType, TraceFields } from "../buffer/span-payload.ts";
import type { TimeInput } from "./clock.ts";
import type { InjectOptions } from "./propagation.ts";
import type { SpanScore } from "./score.ts";

/** What an observation may say of itself, at its start or later by `update`. All values are read at `end()`. */
export interface ObservationFields {
  /** Langfuse's kind of observation. Default: `span`. */
  type?: ObservationType;
  /** Any JSON. */
  input?: unknown;
  /** Any JSON. */
  output?: unknown;
  model?: string;
  modelParameters?: Record<string, unknown>;
  /** Tokens or other units by kind, for example `{ input: 60, output: 9, total: 69 }`. */
  usageDetails?: Record<string, number>;
  /** US dollars by kind. */
  costDetails?: Record<string, number>;
  /** When the first token came: a date, milliseconds since 1970, or ISO 8601. */
  completionStartTime?: TimeInput | string;
  promptName?: string;
  promptVersion?: number;
  /** Default: `DEFAULT`, or `ERROR` with an error status. */
  level?: ObservationLevel;
  statusMessage?: string;
  /** Version of the code that made the span. */
  version?: string;
  /** Any JSON; plain objects of several calls are merged. */
  metadata?: unknown;
}

/** `userId`, `sessionId`, `traceName`, `tags`, `traceMetadata`, `public`: inherited by every span under this one. */
export type TraceOptions = TraceFields;

/** Names a span: one of ours, or by its ids one that was made elsewhere. */
export interface SpanReference {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** W3C's `tracestate`. */
  readonly traceState?: string | undefined;
}

/** A span that this one has to do with, beside its parent: of a batch, of the call that a retry repeats. */
export interface SpanLink extends SpanReference {
  attributes?: Record<string, unknown>;
}

export interface StartSpanOptions extends ObservationFields, TraceOptions {
  /**
   * Of `buffer.startSpan`, `startActiveSpan`: the span to hang this one under, or `null`: under none, a new trace. Default:
   * the active span of the same buffer, unless `traceId` or `parentSpanId` says where the span belongs. Of
   * `span.startSpan` the parent is that span, and this has no effect.
   */
  parent?: BufferedSpan | SpanReference | null;
  /** Default: now. */
  startTime?: TimeInput;
  /** 32 hex digits, to join a trace that began elsewhere. Default: the parent's, or a new one. */
  traceId?: string;
  /** 16 hex digits, to hang the span under one that began elsewhere. Default: the parent. */
  parentSpanId?: string;
  /** W3C's `tracestate` of a trace that began elsewhere; goes to the spans under this one and on with `inject`. */
  traceState?: string;
  /** Other spans that this one has to do with. */
  links?: readonly SpanLink[];
  /** OpenTelemetry attributes, beside the fields. */
  attributes?: Record<string, unknown>;
}

export type UpdateFields = ObservationFields & TraceOptions & { name?: string };

/** OpenTelemetry's codes, or their names. */
export interface SpanStatus {
  code: 0 | 1 | 2 | "unset" | "ok" | "error";
  message?: string;
}

/** A span under way; also the parent of further spans. No method throws. */
export interface BufferedSpan {
  /** 32 lowercase hex digits. */
  readonly traceId: string;
  /** 16 lowercase hex digits. */
  readonly spanId: string;
  /** Starts a child. It inherits the trace's fields, and may outlive its parent. */
  startSpan(name: string, options?: StartSpanOptions): BufferedSpan;
  setAttribute(key: string, value: unknown): this;
  setAttributes(attributes: Record<string, unknown>): this;
  update(fields: UpdateFields): this;
  /**
   * Says something of the whole trace: it is on every span of it that ends later in this process, also on those above and
   * beside this one, and goes before what those say themselves. Keys of `traceMetadata` of several calls are joined.
   */
  updateTrace(fields: TraceOptions): this;
  /** A named moment within the span. */
  addEvent(name: string, attributes?: Record<string, unknown>, time?: TimeInput): this;
  /** Names another span that this one has to do with. */
  addLink(link: SpanReference, attributes?: Record<string, unknown>): this;
  /** The event `exception` with type, message and stack trace. Does not change the status. */
  recordException(error: unknown): this;
  setStatus(status: SpanStatus): this;
  /** A score of this span, journalled and delivered as spans are; also after `end()`. */
  score(score: SpanScore): this;
  /**
   * Writes W3C's `traceparent`, and `tracestate` if there is one, into the headers of a request, so that the service that
   * gets it continues this trace; returns them. `Headers` or a plain object.
   */
  inject<Carrier extends object>(carrier: Carrier, options?: InjectOptions): Carrier;
  /** Hands the span over, with the values of this moment. A second call is ignored and counted. */
  end(endTime?: TimeInput): void;
}

/** The fields that belong to the trace, not to the span. */
export const traceFieldNames: ReadonlySet<string> = new Set<keyof TraceFields>([
  "userId",
  "sessionId",
  "traceName",
  "tags",
  "traceMetadata",
  "public",
]);

/** The fields of a span that `update` and `startSpan` copy as they are. */
export const observationFieldNames: ReadonlySet<string> = new Set<keyof ObservationFields>([
  "type",
  "input",
  "output",
  "model",
  "modelParameters",
  "usageDetails",
  "costDetails",
  "completionStartTime",
  "promptName",
  "promptVersion",
  "level",
  "statusMessage",
  "version",
  "metadata",
]);
