/** What Langfuse asks of the events of an ingestion request, one by one (207). */
import { poisonKey } from "./otlp-request.ts";

export interface IngestionEvent {
  id?: string;
  type?: string;
  timestamp?: string;
  body?: Record<string, unknown>;
}

export interface EventResult {
  event: IngestionEvent;
  status: number;
  error?: string;
  /** Accepted, but nothing comes of it. */
  isIgnored?: boolean;
}

const observationEvents: ReadonlySet<string> = new Set([
  "span-create",
  "span-update",
  "generation-create",
  "generation-update",
  "observation-create",
  "observation-update",
  "event-create",
  "agent-create",
  "tool-create",
  "chain-create",
  "retriever-create",
  "evaluator-create",
  "embedding-create",
  "guardrail-create",
]);

const levels: ReadonlySet<unknown> = new Set(["DEBUG", "DEFAULT", "WARNING", "ERROR"]);
const int32Max = 2 ** 31 - 1;

export function isObservation(type: string): boolean {
  return observationEvents.has(type);
}

/** @param takesTraces a server of the older generation: it takes traces and observations by this route. */
export function judgeEvent(event: IngestionEvent, takesTraces: boolean): EventResult {
  const { id, type = "", timestamp, body } = event;
  const refuse = (status: number, error: string): EventResult => ({ event, status, error });
  if (typeof id !== "string" || typeof body !== "object" || body === null) return refuse(400, "Invalid request data");
  if (!Number.isFinite(Date.parse(timestamp ?? ""))) return refuse(400, "Invalid timestamp");
  if (type === "sdk-log") return { event, status: 201, isIgnored: true };
  if (type === "score-create") return faultOfScore(body, refuse) ?? { event, status: 201 };
  if (!takesTraces) return refuse(400, "Event type not accepted");
  if (type === "trace-create") return faultOf(body, refuse) ?? { event, status: 201 };
  if (!isObservation(type)) return refuse(400, `Invalid discriminator value: ${type}`);
  // The real one loses an observation without an id and says nothing.
  if (body["id"] === undefined) return { event, status: 201, isIgnored: true };
  return faultOf(body, refuse) ?? { event, status: 201 };
}

function faultOfScore(
  { name, value, traceId, sessionId, datasetRunId }: Record<string, unknown>,
  refuse: (status: number, error: string) => EventResult,
): EventResult | undefined {
  if (typeof name !== "string" || name === "") return refuse(400, "Invalid name");
  if (typeof value !== "string" && typeof value !== "number") return refuse(400, "Invalid value");
  const targets = [traceId, sessionId, datasetRunId].filter((target) => typeof target === "string" && target !== "");
  return targets.length === 1 ? undefined : refuse(400, "Provide exactly one of traceId, sessionId or datasetRunId");
}

function faultOf(
  body: Record<string, unknown>,
  refuse: (status: number, error: string) => EventResult,
): EventResult | undefined {
  const { level, modelParameters, environment, metadata, promptName, promptVersion } = withoutNull(body);
  if (level !== undefined && !levels.has(level)) return refuse(400, `Invalid level: ${JSON.stringify(level)}`);
  if (hasNested(modelParameters)) return refuse(400, "modelParameters must be flat");
  if (environment !== undefined && !isEnvironment(environment)) {
    return refuse(400, "Invalid environment");
  }
  if ((promptName === undefined) !== (promptVersion === undefined))
    return refuse(400, "promptName needs promptVersion");
  if (JSON.stringify(metadata ?? null).includes(`"${poisonKey}"`)) return refuse(400, "poison");
  const counts = numbersOf(body["usageDetails"]);
  if (!counts.every(Number.isInteger)) return refuse(400, "usageDetails must be integers");
  // The older server's column overflows, every time it is tried.
  if (counts.some((count) => Math.abs(count) > int32Max)) return refuse(500, "Internal server error");
  return JSON.stringify(body).match(/[^\\](\\\\)*\\ud[89a-f]/) === null
    ? undefined
    : refuse(500, "Internal server error");
}

/** Langfuse takes null for what is not said. */
export function withoutNull(body: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

function isEnvironment(value: unknown): boolean {
  return typeof value === "string" && /^(?!langfuse)[a-z0-9-_]{1,40}$/.test(value);
}

function hasNested(parameters: unknown): boolean {
  if (typeof parameters !== "object" || parameters === null) return false;
  return Object.values(parameters).some(
    (value) => typeof value === "object" && value !== null && !(Array.isArray(value) && value.every(isText)),
  );
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function numbersOf(usage: unknown): number[] {
  return typeof usage === "object" && usage !== null ? (Object.values(usage) as number[]) : [];
}
