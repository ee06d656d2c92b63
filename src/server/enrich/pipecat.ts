/**
 * Pipecat's spans (1.x, `utils/tracing`) → Langfuse's fields: one row for each name. Langfuse reads `input`, `output`
 * and `gen_ai.request.model` of them itself, on its OTLP route and in our export for its older one; the rows add what it
 * does not.
 *
 * Every row gives way to what the span says through `langfuse.*` attributes, and to attributes that Langfuse reads for
 * the same field. What becomes input or output is moved, not copied: a message list would be sent and stored twice.
 */
import type { ObservationType } from "../../buffer/span-payload.ts";

export interface PipecatRule {
  type: ObservationType;
  /** An attribute that no other tracer gives a span of this name. With it, the scope may have another name. */
  sign: string;
  /** The attribute that is the input, or the output. */
  input?: string;
  output?: string;
  /** Attributes with system instructions: the first message of the input (see system-instructions.ts). */
  instructions?: readonly string[];
  /** As the root it gives the trace its name, for want of another. */
  namesTrace?: true;
  /** `metrics.ttfb` seconds after its start came the first byte. */
  hasFirstByte?: true;
  /** Token counts (see token-usage.ts). */
  hasUsage?: true;
  /** Attributes that go to the top of the metadata, where Langfuse can filter by them; each keeps its name. */
  metadata: readonly string[];
}

const tool: PipecatRule = {
  type: "tool",
  sign: "tool.function_name",
  input: "tool.arguments",
  output: "tool.result",
  metadata: ["tool.function_name", "tool.call_id", "tool.result_status"],
};

const instructions = ["gen_ai.system_instructions", "instructions"];

// One line a row: it is read as a table.
// biome-ignore format: a table
const rules: ReadonlyMap<string, PipecatRule> = new Map<string, PipecatRule>([
  ["conversation", { type: "agent", sign: "conversation.type", namesTrace: true,
    metadata: ["conversation.type"] }],
  ["turn", { type: "chain", sign: "turn.number", metadata: ["turn.number", "turn.duration_seconds",
    "turn.user_bot_latency_seconds", "turn.user_turn_seconds", "turn.text_aggregation_seconds",
    "turn.was_interrupted", "turn.ended_by_conversation_end"] }],
  ["stt", { type: "generation", sign: "vad_enabled", output: "transcript", hasFirstByte: true,
    metadata: ["stt.incomplete"] }],
  ["llm", { type: "generation", sign: "metrics.ttfb", instructions, hasFirstByte: true, hasUsage: true, metadata: [] }],
  ["tts", { type: "generation", sign: "voice_id", input: "text", hasFirstByte: true, metadata: ["tts.interrupted"] }],
  // Realtime models. Setup and request are no generations: Langfuse would estimate what they cost, and the response
  // already says it.
  ["llm_setup", { type: "span", sign: "service.operation", instructions, metadata: [] }],
  ["llm_request", { type: "span", sign: "service.operation", metadata: [] }],
  ["llm_response", { type: "generation", sign: "service.operation", hasFirstByte: true, hasUsage: true,
    metadata: ["metrics.ttfb", "response.status", "turn_complete", "function_calls.all_names"] }],
  ["llm_tool_call", tool],
  ["llm_tool_result", tool],
]);

/** Attributes that Langfuse reads for a field, other than by the rows above; the field is theirs. */
export const spokenFor = {
  type: ["langfuse.observation.type", "openinference.span.kind"],
  input: ["langfuse.observation.input", "input.value", "input", "gen_ai.prompt", "gen_ai.input.messages"],
  output: ["langfuse.observation.output", "output.value", "output", "gen_ai.completion", "gen_ai.output.messages"],
  completionStartTime: ["langfuse.observation.completion_start_time"],
  usageDetails: ["langfuse.observation.usage_details"],
  /** As a whole. A part is `langfuse.observation.metadata.<key>`. */
  metadata: ["langfuse.observation.metadata"],
} as const;

/** Where the model's name stands, the first that is one counts. Langfuse reads those before `ours` itself. */
export const modelAttributes = {
  read: ["langfuse.observation.model.name", "gen_ai.response.model", "gen_ai.request.model", "model"],
  ours: ["settings.model", "param.model"],
  /** Pipecat's word for none. */
  none: "unknown",
} as const;

export const ttfbAttribute = "metrics.ttfb";

/** The service behind a span, in OpenTelemetry's present and its former name. */
export const providerAttributes = ["gen_ai.provider.name", "gen_ai.system"] as const;

export const pipecatAttributes: readonly string[] = [
  ...[...rules.values()].flatMap(({ sign, input, output, instructions: system = [], metadata }) => [
    sign,
    ...[input, output].filter((key) => key !== undefined),
    ...system,
    ...metadata,
  ]),
  ...Object.values(spokenFor).flat(),
  ...modelAttributes.read,
  ...modelAttributes.ours,
  ttfbAttribute,
  ...providerAttributes,
];

/** Is the scope Pipecat's (`pipecat`, `pipecat.turn`)? */
export function isPipecatScope(scope: unknown): boolean {
  return typeof scope === "string" && (scope === "pipecat" || scope.startsWith("pipecat."));
}

/** May a span of this name be Pipecat's, whatever its scope? */
export function isPipecatName(name: unknown): boolean {
  return rules.has(name as string);
}

/** The row for a span. Of Pipecat's scope also one with a name that is not known yet, if a tool is called in it. */
export function ruleFor(name: string, isOfScope: boolean, has: (key: string) => boolean): PipecatRule | undefined {
  const rule = rules.get(name);
  if (rule !== undefined) return isOfScope || has(rule.sign) ? rule : undefined;
  return isOfScope && has(tool.sign) ? tool : undefined;
}
