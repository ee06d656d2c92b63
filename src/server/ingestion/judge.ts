/** What Langfuse says to each event of a request, before anything is stored. */
import { randomUUID } from "node:crypto";
import { isRecord } from "../../export/attribute-values.ts";
import { eventKind } from "../../export/event-kinds.ts";
import type { IngestionEvent } from "../../export/ingestion.ts";
import { faultOfBody, isId, isTime } from "./field-rules.ts";

/**
 * - `legacy`: of a trace or an observation.
 * - `ignored`: Langfuse takes it, keeps nothing and does not list it.
 */
export type Judgement =
  | { fate: "score" | "legacy"; event: IngestionEvent }
  | { fate: "ignored" }
  | { fate: "refused"; id: string; error: string };

export function judge(event: unknown): Judgement {
  if (!isRecord(event)) return refused(undefined, "expected an object");
  const { id, type, timestamp, body } = event;
  const kind = eventKind(type);
  if (kind?.about === "log") return { fate: "ignored" };
  if (!isId(id)) return refused(id, "id: expected a text of 1 to 800 characters on one line");
  if (kind === undefined)
    return refused(id, `type: Invalid discriminator value ${JSON.stringify(type)?.slice(0, 100)}`);
  if (!isTime(timestamp)) return refused(id, "timestamp: expected an ISO 8601 time with a zone");
  if (!isRecord(body)) return refused(id, "body: expected an object");
  const fault = faultOfId(body["id"], kind.isUpdate) ?? faultOfBody(kind.about, body);
  if (fault !== undefined) return refused(id, fault);
  const named = { id, type: type as string, timestamp: timestamp as string, body: withId(body, id) };
  return { fate: kind.about === "score" ? "score" : "legacy", event: named };
}

/** The body of `POST /api/public/scores` as an event. Without an id it gets one, as in Langfuse. */
export function scoreEvent(body: unknown): { event: IngestionEvent } | { error: string } {
  if (!isRecord(body)) return { error: "body: expected an object" };
  const fault = faultOfId(body["id"], false) ?? faultOfBody("score", body);
  if (fault !== undefined) return { error: fault };
  const named = withId(body, randomUUID());
  const timestamp = new Date().toISOString();
  return { event: { id: randomUUID(), type: "score-create", timestamp, body: named } };
}

function refused(id: unknown, error: string): Judgement {
  return { fate: "refused", id: typeof id === "string" ? id : "unknown", error };
}

/** What creates may do without: Langfuse loses it then, and we need not. An update without one is about nothing. */
function faultOfId(id: unknown, isNeeded: boolean): string | undefined {
  if ((id === undefined || id === null) && !isNeeded) return undefined;
  return isId(id) ? undefined : "body.id: expected a text of 1 to 800 characters on one line";
}

function withId(body: Record<string, unknown>, id: string): Record<string, unknown> {
  return body["id"] === undefined || body["id"] === null ? { ...body, id } : body;
}
