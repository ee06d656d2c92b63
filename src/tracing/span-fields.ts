import type { ObservationLevel, ObservationType, TraceFields } from "../buffer/span-payload.ts";
import type { TimeInput } from "./clock.ts";

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

export interface StartSpanOptions extends ObservationFields, TraceOptions {
  /** Default: now. */
  startTime?: TimeInput;
  /** 32 hex digits, to join a trace that began elsewhere. Default: the parent's, or a new one. */
  traceId?: string;
  /** 16 hex digits, to hang the span under one that began elsewhere. Default: the parent. */
  parentSpanId?: string;
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
  /** A named moment within the span. */
  addEvent(name: string, attributes?: Record<string, unknown>, time?: TimeInput): this;
  /** The event `exception` with type, message and stack trace. Does not change the status. */
  recordException(error: unknown): this;
  setStatus(status: SpanStatus): this;
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
