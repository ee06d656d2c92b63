/** What makes a trace worth keeping although the sample is without it. */
import type { PayloadAttributes, SpanPayload } from "../buffer/span-payload.ts";

/**
 * - `"errors"`: a span with level ERROR or the status error.
 * - `minDurationMs`: a span (of that `name`) that took so long or longer.
 * - `userId`: a span of this user's, or of one of these.
 */
export type SamplingRule =
  | "errors"
  | { readonly minDurationMs: number; readonly name?: string | undefined }
  | { readonly userId: string | readonly string[] };

const errorStatus = 2;
const userAttributes = ["langfuse.user.id", "user.id"];

/** Does one of the rules fit the span? May throw what the span's getters throw. */
export function fitsAny(rules: readonly SamplingRule[], span: SpanPayload): boolean {
  return rules.some((rule) => fits(rule, span));
}

function fits(rule: SamplingRule, span: SpanPayload): boolean {
  if (rule === "errors") return isError(span);
  if ("userId" in rule) {
    const userId = userOf(span);
    return typeof rule.userId === "string" ? userId === rule.userId : rule.userId.some((wanted) => wanted === userId);
  }
  return (rule.name === undefined || rule.name === span.name) && durationMs(span) >= rule.minDurationMs;
}

function isError({ status, level, attributes }: SpanPayload): boolean {
  if (status?.code === errorStatus) return true;
  return String(level ?? attributeOf(attributes, "langfuse.observation.level")).toUpperCase() === "ERROR";
}

function userOf({ trace, attributes }: SpanPayload): unknown {
  return (
    trace?.userId ?? userAttributes.map((key) => attributeOf(attributes, key)).find((value) => value !== undefined)
  );
}

/** In either form of attributes. */
function attributeOf(attributes: PayloadAttributes | undefined, key: string): unknown {
  if (!Array.isArray(attributes)) return (attributes as Record<string, unknown> | undefined)?.[key];
  const value: unknown = attributes.find((attribute) => attribute.key === key)?.value;
  return (value as { stringValue?: unknown } | undefined)?.stringValue;
}

function durationMs({ startTimeUnixNano, endTimeUnixNano }: SpanPayload): number {
  return (Number(endTimeUnixNano) - Number(startTimeUnixNano)) / 1e6;
}
