/** From a row of pipecat.ts to the fields of one span. */
import type { PayloadAttributes, SpanPayload } from "../../buffer/span-payload.ts";
import { modelAttributes, type PipecatRule, spokenFor, ttfbAttribute } from "./pipecat.ts";
import type { SpanAttributes } from "./span-attributes.ts";
import { withInstructions } from "./system-instructions.ts";
import { tokenUsage } from "./token-usage.ts";

export function addPipecatFields(span: SpanPayload, attributes: SpanAttributes, rule: PipecatRule): void {
  const isFree = (field: keyof typeof spokenFor): boolean =>
    (span[field] ?? undefined) === undefined && !attributes.hasAny(spokenFor[field]);
  if (isFree("type")) span.type = rule.type;
  const moved: string[] = [];
  if (rule.input !== undefined && isFree("input")) moveText(span, "input", rule.input, attributes, moved);
  if (rule.output !== undefined && isFree("output")) moveText(span, "output", rule.output, attributes, moved);
  if (rule.instructions !== undefined) addInstructions(span, rule.instructions, attributes, moved);
  if (rule.type === "generation") addModel(span, attributes);
  if (rule.hasFirstByte === true && isFree("completionStartTime")) addCompletionStartTime(span, attributes);
  if (rule.hasUsage === true && isFree("usageDetails")) {
    const usage = tokenUsage(attributes);
    if (usage !== undefined) span.usageDetails = usage;
  }
  if (rule.metadata.length > 0 && !attributes.hasAny(spokenFor.metadata)) addMetadata(span, rule.metadata, attributes);
  if (moved.length > 0 && span.attributes !== undefined) span.attributes = without(span.attributes, moved);
}

function moveText(
  span: SpanPayload,
  field: "input" | "output",
  key: string,
  attributes: SpanAttributes,
  moved: string[],
): void {
  const text = attributes.text(key);
  if (text === undefined) return;
  span[field] = text;
  moved.push(key);
}

/** Into the input that Pipecat writes; one under any other name is its writer's own affair. */
function addInstructions(
  span: SpanPayload,
  keys: readonly string[],
  attributes: SpanAttributes,
  moved: string[],
): void {
  const key = keys.find((candidate) => attributes.text(candidate) !== undefined);
  if (key === undefined || (span.input ?? undefined) !== undefined) return;
  if (attributes.hasAny(spokenFor.input.filter((candidate) => candidate !== "input"))) return;
  const before = attributes.text("input");
  if (before === undefined && attributes.has("input")) return;
  const input = withInstructions(attributes.text(key) as string, before);
  moved.push(key);
  if (input === undefined) return;
  span.input = input;
  moved.push("input");
}

/** Where Langfuse would find none, or Pipecat's word for none. */
function addModel(span: SpanPayload, attributes: SpanAttributes): void {
  if ((span.model ?? undefined) !== undefined) return;
  const read = modelAttributes.read.find((key) => attributes.has(key));
  if (read !== undefined && attributes.text(read) !== modelAttributes.none) return;
  const model = modelAttributes.ours.map((key) => attributes.text(key)).find((name) => name !== undefined);
  if (model !== undefined && model !== modelAttributes.none) span.model = model;
}

const nanosPerSecond = 1e9;
const nanosPerMilli = 1_000_000n;
/** As nanoseconds still a whole number of JavaScript's. */
const longestSeconds = 86_400;
const timePattern = /^\d{1,20}$/;

/**
 * Not behind the span's end: then the span is not what was measured. A realtime model's response is such a one (it lasts
 * as long as its last message is looked at), and an interrupted call that still has the measurement of the one before.
 */
function addCompletionStartTime(span: SpanPayload, attributes: SpanAttributes): void {
  const seconds = attributes.number(ttfbAttribute);
  const { startTimeUnixNano: start, endTimeUnixNano: end } = span;
  if (seconds === undefined || seconds < 0 || seconds > longestSeconds) return;
  if (!timePattern.test(start) || !timePattern.test(end)) return;
  const firstByte = BigInt(start) + BigInt(Math.round(seconds * nanosPerSecond));
  if (firstByte > BigInt(end)) return;
  span.completionStartTime = new Date(Number(firstByte / nanosPerMilli)).toISOString();
}

/** Beside what the span says; a key that it says itself is left to it. */
function addMetadata(span: SpanPayload, keys: readonly string[], attributes: SpanAttributes): void {
  const before = span.metadata ?? undefined;
  if (before !== undefined && (typeof before !== "object" || Array.isArray(before))) return;
  let metadata: Record<string, unknown> | undefined;
  for (const key of keys) {
    const value = attributes.plain(key);
    if (value === undefined || isSaid(key, attributes) || (before !== undefined && key in before)) continue;
    (metadata ??= { ...before })[key] = value;
  }
  if (metadata !== undefined) span.metadata = metadata;
}

function isSaid(key: string, attributes: SpanAttributes): boolean {
  return attributes.hasPrefixed && attributes.has(`${spokenFor.metadata[0]}.${key}`);
}

/** A list of its own: the client's request may be looked at by others. */
function without(attributes: PayloadAttributes, keys: readonly string[]): PayloadAttributes {
  if (!Array.isArray(attributes)) return attributes;
  const entries = attributes as readonly ({ key: string; value: unknown } | null | undefined)[];
  return entries.filter((entry) => !keys.includes(entry?.key ?? "")) as PayloadAttributes;
}
