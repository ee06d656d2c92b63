/** The events of Langfuse's ingestion route: what each is about. */
import { type ObservationType, observationTypes } from "../buffer/span-payload.ts";
import { isRecord } from "./attribute-values.ts";
import type { Server } from "./discover.ts";
import type { IngestionEvent } from "./ingestion.ts";
import { jsonText } from "./json-text.ts";

export interface EventKind {
  /** `log`: of an SDK about itself; Langfuse takes it and keeps nothing. */
  about: "trace" | "observation" | "score" | "log";
  /** Of an observation; undefined: it is in the body. */
  type?: ObservationType;
  isUpdate: boolean;
}

const kinds: ReadonlyMap<unknown, EventKind> = new Map<string, EventKind>([
  ["trace-create", { about: "trace", isUpdate: false }],
  ["score-create", { about: "score", isUpdate: false }],
  ["sdk-log", { about: "log", isUpdate: false }],
  // Of SDKs before their version 2.
  ["observation-create", { about: "observation", isUpdate: false }],
  ["observation-update", { about: "observation", isUpdate: true }],
  ...observationTypes.flatMap((type): [string, EventKind][] => [
    [`${type}-create`, { about: "observation", type, isUpdate: false }],
    [`${type}-update`, { about: "observation", type, isUpdate: true }],
  ]),
]);

/** Undefined: no type that Langfuse knows. */
export function eventKind(type: unknown): EventKind | undefined {
  return kinds.get(type);
}

/** The observation type that an event says. */
export function observationTypeOf({ type, body }: IngestionEvent): ObservationType {
  const named = jsonText(body["type"]).toLowerCase();
  return eventKind(type)?.type ?? observationTypes.find((known) => known === named) ?? "span";
}

/** The stored form of an event; undefined: it is none. */
export function parseEvent(text: string): IngestionEvent | undefined {
  try {
    const event: unknown = JSON.parse(text);
    if (!isRecord(event) || !isRecord(event["body"])) return undefined;
    const { id, type, timestamp } = event;
    if (typeof id !== "string" || typeof type !== "string" || typeof timestamp !== "string") return undefined;
    return event as unknown as IngestionEvent;
  } catch {
    return undefined;
  }
}

/** From this version on Langfuse refuses traces and observations on its ingestion route, unless told otherwise. */
const firstMajorWithout = 4;

/** Does this server take traces and observations as events? One that does not say its version is today's. */
export function takesEvents({ transport, major }: Server): boolean {
  return transport === "ingestion" || (major !== undefined && major < firstMajorWithout);
}
