/**
 * The stored form of a span: UTF-8 JSON of one `SpanPayload`. The caller's thread writes it once, at `end()` (or the pump, of
 * what the caller's thread has left flat: flat-span.ts); ring, journal and pump carry it as bytes and never look inside; only
 * an export thread parses it. Each payload stands
 * alone (no reference to its buffer, process or neighbours), so a journal can be read by another process, years later.
 *
 * A field that is absent is absent in JSON too. Fields named as in OpenTelemetry hold what OTLP JSON holds, but for
 * `attributes`, which stay the plain object the caller gave (values: any JSON). The other fields are Langfuse's.
 */
export interface SpanPayload {
  /** 32 lowercase hex digits. */
  traceId: string;
  /** 16 lowercase hex digits. */
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  name: string;
  /** OTLP's `SpanKind`: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. Absent: internal. */
  kind?: number;
  /** Nanoseconds since 1970, decimal. */
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  /** A plain object, or OTLP's own `[{key, value: {stringValue}}]` when the record came in that form. */
  attributes?: PayloadAttributes;
  events?: PayloadEvent[];
  links?: PayloadLink[];
  /** What the span's maker had no room for; absent: nothing. */
  droppedAttributesCount?: number;
  droppedEventsCount?: number;
  droppedLinksCount?: number;
  /** OTLP's status: 0 unset, 1 ok, 2 error. */
  status?: { code: number; message?: string };
  resource?: { attributes?: PayloadAttributes };
  scope?: { name?: string; version?: string; attributes?: PayloadAttributes };

  type?: ObservationType;
  input?: unknown;
  output?: unknown;
  model?: string;
  modelParameters?: Record<string, unknown>;
  usageDetails?: Record<string, number>;
  costDetails?: Record<string, number>;
  /** ISO 8601 with `Z`. */
  completionStartTime?: string;
  promptName?: string;
  promptVersion?: number;
  level?: ObservationLevel;
  statusMessage?: string;
  version?: string;
  metadata?: unknown;

  /** What belongs to the trace. Langfuse 4 has no trace row, so every span of a trace carries these. */
  trace?: TraceFields;
  environment?: string;
  release?: string;
  serviceName?: string;
}

export type PayloadAttributes = Record<string, unknown> | readonly { key: string; value: unknown }[];

export interface PayloadEvent {
  name: string;
  /** Nanoseconds since 1970, decimal. */
  timeUnixNano: string;
  attributes?: PayloadAttributes;
  droppedAttributesCount?: number;
}

export interface PayloadLink {
  traceId: string;
  spanId: string;
  traceState?: string;
  attributes?: PayloadAttributes;
  droppedAttributesCount?: number;
}

export interface TraceFields {
  userId?: string;
  sessionId?: string;
  traceName?: string;
  tags?: readonly string[];
  traceMetadata?: unknown;
  public?: boolean;
}

/** Langfuse's observation types. */
export const observationTypes = [
  "span",
  "generation",
  "event",
  "agent",
  "tool",
  "chain",
  "retriever",
  "evaluator",
  "embedding",
  "guardrail",
] as const;
export type ObservationType = (typeof observationTypes)[number];

/** Langfuse's observation levels; anything else (`INFO`, say) makes its ingestion route answer 400. */
export const observationLevels = ["DEBUG", "DEFAULT", "WARNING", "ERROR"] as const;
export type ObservationLevel = (typeof observationLevels)[number];
