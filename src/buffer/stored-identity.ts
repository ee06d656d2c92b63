/** What a stored record is about: a span, or an event for the ingestion route. */
import type { SpanPayload } from "./span-payload.ts";

/** Empty texts: it does not say. */
export interface StoredIdentity {
  traceId: string;
  /** Of an event: of the observation. */
  spanId: string;
  /** Of an event with its type before it. */
  name: string;
}

/** What was stored; undefined: no JSON object. Nobody has checked its fields. */
export function storedObject(payload: Buffer): Partial<SpanPayload> | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Is it an event for the ingestion route, `{type, body, …}`? */
export function isStoredEvent(stored: object): stored is { type: string; body: Record<string, unknown> } {
  const { type, body } = stored as { type?: unknown; body?: unknown };
  return typeof type === "string" && typeof body === "object" && body !== null;
}

export function identityOf(stored: object): StoredIdentity {
  if (!isStoredEvent(stored)) {
    const { traceId, spanId, name } = stored as Partial<SpanPayload>;
    return { traceId: textOf(traceId), spanId: textOf(spanId), name: textOf(name) };
  }
  const { type, body } = stored;
  const { id, traceId, observationId, name } = body;
  const isTrace = type === "trace-create";
  return {
    traceId: textOf(isTrace ? id : traceId),
    spanId: textOf(isTrace ? "" : (observationId ?? id)),
    name: `${type} ${textOf(name)}`.trim(),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
