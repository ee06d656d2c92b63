import { randomUUID } from "node:crypto";
import { describeError } from "../buffer/safe-value.ts";
import { normaliseSpanId, normaliseTraceId } from "./ids.ts";

/** A judgement about a span, as Langfuse's `score-create` takes it. */
export interface SpanScore {
  name: string;
  /** A number; a category or a text; true and false are 1 and 0 of the type `BOOLEAN`. */
  value: number | string | boolean;
  /** Default: by the value, or by the score config. */
  dataType?: "NUMERIC" | "BOOLEAN" | "CATEGORICAL" | "TEXT";
  comment?: string;
  /** A score with the id of an earlier one takes its place. Default: a new id. */
  id?: string;
  /** Of the score config that it must comply with. */
  configId?: string;
  /** Any JSON. */
  metadata?: unknown;
}

/** A score of a trace, of an observation in it (`traceId` and `observationId`), or of a session (`sessionId` alone). */
export interface Score extends SpanScore {
  traceId?: string;
  /** A span's `spanId`. */
  observationId?: string;
  sessionId?: string;
}

/** An event of Langfuse's ingestion route, in its stored form. */
export interface ScoreEvent {
  id: string;
  type: "score-create";
  /** ISO 8601 with `Z`. */
  timestamp: string;
  body: Record<string, unknown>;
}

/** Where scores go. Neither throws. */
export interface ScoreSink {
  /** `false`: it was dropped, and counted. */
  offer(event: ScoreEvent): boolean;
  /** Counts a score whose trace is not in the sample. */
  sampleOut(): false;
}

/**
 * Never throws. What Langfuse could not take is not refused here: it becomes a dead letter with the server's reason, where it
 * can be seen, instead of being lost.
 */
export function scoreEvent(score: Score, environment: string | undefined): ScoreEvent {
  const event = { id: randomUUID(), type: "score-create" as const, timestamp: new Date().toISOString() };
  try {
    return { ...event, body: bodyOf(score, environment) };
  } catch (error) {
    return { ...event, body: { id: event.id, comment: `[Unreadable score: ${describeError(error)}]` } };
  }
}

function bodyOf(score: Score, environment: string | undefined): Record<string, unknown> {
  const { name, value, comment, configId, metadata, traceId, observationId, sessionId } = score;
  return {
    id: score.id ?? randomUUID(),
    name,
    value: typeof value === "boolean" ? Number(value) : value,
    dataType: score.dataType ?? dataTypeOf(value, configId),
    comment,
    configId,
    metadata,
    environment,
    traceId: normaliseTraceId(traceId) ?? traceId,
    observationId: normaliseSpanId(observationId) ?? observationId,
    sessionId,
  };
}

/** Said where the value alone would be taken for something else: 1 for a number, what is no finite number for a category. */
function dataTypeOf(value: unknown, configId: string | undefined): string | undefined {
  if (configId !== undefined) return undefined;
  if (typeof value === "boolean") return "BOOLEAN";
  return typeof value === "number" ? "NUMERIC" : undefined;
}
