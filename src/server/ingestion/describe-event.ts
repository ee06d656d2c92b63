import type { HeldEvent, HeldStage } from "../../buffer/held-events-schema.ts";
import { eventKind, observationTypeOf, parseEvent } from "../../export/event-kinds.ts";
import type { IngestionEvent } from "../../export/ingestion.ts";
import { jsonText } from "../../export/json-text.ts";

/** An event as it is held: what it is about, and how much is known with it. */
export function heldEvent(event: IngestionEvent): HeldEvent {
  const { body } = event;
  const payload = JSON.stringify(event);
  const key = jsonText(body["id"]);
  const kind = eventKind(event.type);
  if (kind?.about === "trace") {
    return { kind: "trace", key, traceKey: key, stage: isThere(body["output"]) ? 2 : 0, payload };
  }
  const { traceId } = body;
  const traceKey = typeof traceId === "string" ? traceId : undefined;
  return { kind: "observation", key, traceKey, stage: stageOf(event), isUpdate: kind?.isUpdate === true, payload };
}

/** From the stored form; undefined: it is none. */
export function storedEvent(payload: string): HeldEvent | undefined {
  const event = parseEvent(payload);
  return event === undefined ? undefined : { ...heldEvent(event), payload };
}

function stageOf(event: IngestionEvent): HeldStage {
  const { body } = event;
  // An event is a moment.
  if (isThere(body["endTime"]) || observationTypeOf(event) === "event") return 2;
  return isThere(body["output"]) ? 1 : 0;
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}
