/**
 * Values that a Langfuse server is known to choke on, made harmless. What is taken out of a field is not lost: it
 * moves to the metadata, under the field's name.
 */
import { observationLevels, observationTypes, type SpanPayload } from "../buffer/span-payload.ts";
import { isRecord } from "./attribute-values.ts";

/** Langfuse 2 keeps token counts in 32 bits: more gives 500, every time. */
const largestUsage = 2 ** 31 - 1;
const longestEnvironment = 40;

/**
 * The payload with a level and a type that Langfuse knows, an environment that it accepts and counts that are counts,
 * for either transport: Langfuse answers an OTLP request before it looks at these, and drops the span afterwards.
 */
export function cleanPayload(payload: SpanPayload): SpanPayload {
  const { level, type, environment, ...rest } = payload as SpanPayload &
    Record<"level" | "type" | "environment", unknown>;
  const clean: SpanPayload = rest;
  const moved: Record<string, unknown> = {};
  const knownLevel = observationLevels.find((known) => known === String(level).toUpperCase());
  if (knownLevel !== undefined) clean.level = knownLevel;
  else if (level !== undefined && level !== null) moved["level"] = level;
  const knownType = observationTypes.find((known) => known === String(type).toLowerCase());
  if (knownType !== undefined) clean.type = knownType;
  else if (type !== undefined && type !== null) moved["type"] = type;
  if (environment !== undefined && environment !== null) clean.environment = cleanEnvironment(environment);
  if (Object.keys(moved).length > 0) clean.metadata = withMetadata(clean.metadata, moved);
  cleanCounts(clean as unknown as Record<string, unknown>);
  return clean;
}

/** Langfuse's rule: `[a-z0-9-_]`, 40 characters at most, not beginning with "langfuse". */
export function cleanEnvironment(environment: unknown): string {
  const allowed = String(environment)
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-");
  const unreserved = allowed.startsWith("langfuse") ? `x-${allowed}` : allowed;
  return unreserved.slice(0, longestEnvironment) || "default";
}

/** `extra` beside the metadata; on the same key the metadata's own value stays. */
export function withMetadata(metadata: unknown, extra: Record<string, unknown>): Record<string, unknown> {
  if (metadata === undefined || metadata === null) return extra;
  return isRecord(metadata) ? { ...extra, ...metadata } : { ...extra, metadata };
}

/** A value split into what the old server takes and what it does not. */
interface Split {
  kept: Record<string, unknown>;
  left: Record<string, unknown>;
}

function split(record: Record<string, unknown>, isGood: (value: unknown) => boolean): Split {
  const kept: Record<string, unknown> = {};
  const left: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(record)) (isGood(value) ? kept : left)[key] = value;
  return { kept, left };
}

const isUsage = (value: unknown): boolean =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= largestUsage;
const isCost = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value >= 0;

/** Takes token counts and costs that are no such numbers out of a payload or an ingestion body, in place. */
function cleanCounts(fields: Record<string, unknown>): void {
  const moved: Record<string, unknown> = {};
  for (const [field, isGood] of [["usageDetails", isUsage] as const, ["costDetails", isCost] as const]) {
    const value = fields[field];
    if (value === undefined) continue;
    const { kept, left } = isRecord(value) ? split(value, isGood) : { kept: {}, left: { value } };
    delete fields[field];
    if (Object.keys(kept).length > 0) fields[field] = kept;
    if (Object.keys(left).length > 0) moved[field] = left;
  }
  if (Object.keys(moved).length > 0) fields["metadata"] = withMetadata(fields["metadata"], moved);
}

/**
 * Cleans the body of an ingestion event in place, beyond what `cleanPayload` did: values that were looked up in
 * attributes, a prompt with only half of its identity, a time that is none, and parameters that are not flat (400).
 */
export function cleanBody(body: Record<string, unknown>): void {
  cleanCounts(body);
  const moved: Record<string, unknown> = {};
  const move = (field: string): void => {
    moved[field] = body[field];
    delete body[field];
  };
  const level = body["level"];
  if (level !== undefined && !observationLevels.some((known) => known === level)) move("level");
  if (body["promptName"] === undefined && body["promptVersion"] !== undefined) move("promptVersion");
  if (body["promptName"] !== undefined && body["promptVersion"] === undefined) move("promptName");
  const time = isoTime(body["completionStartTime"]);
  if (time !== undefined) body["completionStartTime"] = time;
  else if (body["completionStartTime"] !== undefined) move("completionStartTime");
  const parameters = body["modelParameters"];
  if (isRecord(parameters)) {
    body["modelParameters"] = Object.fromEntries(
      Object.entries(parameters).map(([key, value]) => [
        key,
        typeof value === "object" && value !== null ? JSON.stringify(value) : value,
      ]),
    );
  } else if (parameters !== undefined) move("modelParameters");
  if (Object.keys(moved).length > 0) body["metadata"] = withMetadata(body["metadata"], moved);
}

/** Some SDKs write the time as a JSON string, in quotes of its own. */
function isoTime(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const time = new Date(value.replaceAll('"', ""));
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
