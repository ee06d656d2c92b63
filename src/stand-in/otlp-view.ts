/** From an OTLP span to Langfuse's observation: which attribute becomes which field, in the order of looking. */
import { isoOrNull, objectOf, type StoredSpan, shown, textOrNull } from "./observation.ts";
import { plainAttributes } from "../otlp/otlp-shape.ts";
import type { ReceivedSpan } from "./otlp-request.ts";

type Attributes = Readonly<Record<string, unknown>>;

/** Field → attribute keys, the first that is there counts. */
const lookUp = {
  userId: ["langfuse.user.id", "user.id"],
  sessionId: ["langfuse.session.id", "session.id"],
  traceName: ["langfuse.trace.name"],
  tags: ["langfuse.trace.tags"],
  public: ["langfuse.trace.public"],
  release: ["langfuse.release"],
  version: ["langfuse.version", "service.version"],
  input: ["langfuse.observation.input", "input.value", "input", "gen_ai.prompt", "gen_ai.input.messages"],
  output: ["langfuse.observation.output", "output.value", "output", "gen_ai.completion", "gen_ai.output.messages"],
  model: ["langfuse.observation.model.name", "gen_ai.response.model", "gen_ai.request.model", "model"],
  modelParameters: ["langfuse.observation.model.parameters"],
  usageDetails: ["langfuse.observation.usage_details"],
  costDetails: ["langfuse.observation.cost_details"],
  completionStartTime: ["langfuse.observation.completion_start_time"],
  promptName: ["langfuse.observation.prompt.name"],
  promptVersion: ["langfuse.observation.prompt.version"],
  level: ["langfuse.observation.level"],
  statusMessage: ["langfuse.observation.status_message"],
  environment: ["langfuse.environment", "deployment.environment.name", "deployment.environment"],
} as const satisfies Partial<Record<keyof StoredSpan, readonly string[]>>;

/** `gen_ai.operation.name` → type. */
const operationTypes: Readonly<Record<string, string>> = {
  chat: "GENERATION",
  completion: "GENERATION",
  text_completion: "GENERATION",
  generate_content: "GENERATION",
  embeddings: "EMBEDDING",
  invoke_agent: "AGENT",
  execute_tool: "TOOL",
};

const observationMetadata = "langfuse.observation.metadata";
const traceMetadata = "langfuse.trace.metadata";

export function viewOfOtlp({ span, resource, scope }: ReceivedSpan): StoredSpan {
  const attributes = plainAttributes(span.attributes);
  const resourceAttributes = plainAttributes(resource?.attributes);
  const get = (field: keyof typeof lookUp): unknown => firstOf(attributes, lookUp[field]);
  const isError = span.status?.code === 2;
  return {
    id: span.spanId,
    traceId: span.traceId,
    parentObservationId: span.parentSpanId === undefined || span.parentSpanId === "" ? null : span.parentSpanId,
    type: typeOf(attributes),
    name: span.name ?? null,
    startTime: isoOfNanos(span.startTimeUnixNano),
    endTime: isoOfNanos(span.endTimeUnixNano),
    completionStartTime: isoOrNull(get("completionStartTime")),
    input: shown(get("input")),
    output: shown(get("output")),
    model: textOrNull(get("model")),
    modelParameters: objectOf(get("modelParameters")),
    usageDetails: usageOf(attributes),
    costDetails: objectOf(get("costDetails")),
    level: textOrNull(get("level")) ?? (isError ? "ERROR" : "DEFAULT"),
    statusMessage: textOrNull(get("statusMessage")) ?? (isError ? (span.status?.message ?? null) : null),
    version: textOrNull(get("version")),
    environment: textOrNull(get("environment") ?? firstOf(resourceAttributes, lookUp.environment)) ?? "default",
    metadata: metadataOf(attributes, resourceAttributes, scope),
    promptName: textOrNull(get("promptName")),
    promptVersion: get("promptVersion") === undefined ? null : Number(get("promptVersion")),
    userId: textOrNull(get("userId")),
    sessionId: textOrNull(get("sessionId")),
    tags: tagsOf(get("tags")),
    traceName: textOrNull(get("traceName")),
    public: get("public") === true || get("public") === "true",
    release: textOrNull(get("release")),
    traceMetadata: gathered(attributes, traceMetadata),
    events: span.events ?? [],
    links: span.links ?? [],
    scope: scopeOf(scope),
    resource: resourceAttributes,
  };
}

function firstOf(attributes: Attributes, keys: readonly string[]): unknown {
  const key = keys.find((candidate) => attributes[candidate] !== undefined);
  return key === undefined ? undefined : attributes[key];
}

function typeOf(attributes: Attributes): string {
  const explicit = attributes["langfuse.observation.type"] ?? attributes["openinference.span.kind"];
  if (typeof explicit === "string") return explicit.toUpperCase();
  const operation = operationTypes[String(attributes["gen_ai.operation.name"])];
  if (operation !== undefined) return operation;
  return firstOf(attributes, lookUp.model) === undefined ? "SPAN" : "GENERATION";
}

function usageOf(attributes: Attributes): Record<string, unknown> {
  const explicit = firstOf(attributes, lookUp.usageDetails);
  if (explicit !== undefined) return objectOf(explicit);
  const usage: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("gen_ai.usage.")) usage[key.slice("gen_ai.usage.".length).replace(/_tokens$/, "")] = value;
  }
  return usage;
}

function tagsOf(tags: unknown): string[] {
  const list = shown(tags);
  return Array.isArray(list) ? list.map(String) : typeof list === "string" ? [list] : [];
}

/** `prefix` itself (an object) and every `prefix.<key>`. */
function gathered(attributes: Attributes, prefix: string): Record<string, unknown> {
  const result = objectOf(attributes[prefix]);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith(`${prefix}.`)) result[key.slice(prefix.length + 1)] = shown(value);
  }
  return result;
}

function metadataOf(
  attributes: Attributes,
  resourceAttributes: Attributes,
  scope: ReceivedSpan["scope"],
): Record<string, unknown> {
  const rest = Object.fromEntries(Object.entries(attributes).filter(([key]) => !isRead(key)));
  return {
    ...gathered(attributes, observationMetadata),
    ...(Object.keys(rest).length > 0 ? { attributes: rest } : {}),
    resourceAttributes,
    scope: scopeOf(scope),
  };
}

function scopeOf(scope: ReceivedSpan["scope"]): Record<string, unknown> {
  return { name: scope?.name ?? "", version: scope?.version ?? "", attributes: plainAttributes(scope?.attributes) };
}

const readKeys: ReadonlySet<string> = new Set(Object.values(lookUp).flat());

function isRead(key: string): boolean {
  return key.startsWith("langfuse.") || readKeys.has(key);
}

function isoOfNanos(nanos: string | number | undefined): string | null {
  if (nanos === undefined) return null;
  const date = new Date(Number(BigInt(nanos) / 1_000_000n));
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
