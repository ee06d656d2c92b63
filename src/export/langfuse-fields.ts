/**
 * The mapping: one row for each field of Langfuse, and the way it takes on both transports. Senders, stand-ins and
 * tests may be read against it; otlp.ts and ingestion.ts are driven by it and name no field that has a row here,
 * but where a value must be cleaned for an old server (see clean-fields.ts).
 *
 * On OTLP a field that was given explicitly becomes `attribute`; what a span brought as OTel attributes is left to
 * the server, which looks it up in the same order. On ingestion there are no attributes, so the look-up is done here:
 * the explicit value, else `attribute`, else `fallbacks` in order.
 */
import type { SpanPayload, TraceFields } from "../buffer/span-payload.ts";

/**
 * How a value is written as an OTLP attribute, and what a value that is looked up must be.
 *
 * - `text`: a string.
 * - `json`: a JSON string; a string goes as it is.
 * - `record`: a JSON string of an object.
 * - `spread`: an object becomes one attribute for each key (`attribute.key`). Anything else goes under the key
 *   `metadata`: the server takes nothing but an object there, and drops what is none without a word.
 * - `texts`: an array of strings.
 * - `boolean`, `integer`: themselves.
 */
export type FieldEncoding = "text" | "json" | "record" | "spread" | "texts" | "boolean" | "integer";

/**
 * Where to look: an attribute's key, every attribute below a prefix (as one object, for token counts under their
 * names), or the attributes of the span's events of these names.
 */
export type LookUp =
  | string
  | { prefix: string; rename: Readonly<Record<string, string>>; except?: readonly string[] }
  | { events: readonly string[] };

export interface LangfuseField {
  /** The field of the payload, or of its `trace`. */
  field: Exclude<keyof SpanPayload, "trace"> | keyof TraceFields | "traceInput" | "traceOutput";
  /** `looked-up`: never given explicitly. */
  from: "span" | "trace" | "looked-up";
  attribute: string;
  encoding: FieldEncoding;
  /** Keys that the server reads as the very same field; an explicit value takes their place too. */
  sameAs: readonly string[];
  fallbacks: readonly LookUp[];
  /** Looked up among the attributes of the resource too, after those of the span. */
  inResource?: true;
  /** The field of the ingestion body of the observation; `generationOnly`: other types have none. */
  observationBody?: string;
  generationOnly?: true;
  /** The field of the ingestion body of the trace. */
  traceBody?: string;
}

const genAiInputEvents = [
  "gen_ai.system.message",
  "gen_ai.user.message",
  "gen_ai.assistant.message",
  "gen_ai.tool.message",
  "gen_ai.content.prompt",
];
const genAiOutputEvents = ["gen_ai.choice", "gen_ai.content.completion"];

/** OpenTelemetry's names of token counts → Langfuse's; others keep theirs. */
const usageNames = {
  input_tokens: "input",
  output_tokens: "output",
  prompt_tokens: "input",
  completion_tokens: "output",
  total_tokens: "total",
};

const none: readonly [] = [];

// One line a row: it is read as a table.
// biome-ignore format: a table
export const langfuseFields: readonly LangfuseField[] = [
  { field: "type", from: "span", attribute: "langfuse.observation.type", encoding: "text", sameAs: none,
    // What else tells the type is a table of its own: observation-type.ts.
    fallbacks: none },
  { field: "input", from: "span", attribute: "langfuse.observation.input", encoding: "json", sameAs: none,
    fallbacks: [{ events: genAiInputEvents }, "input.value", "input", "gen_ai.prompt", "gen_ai.input.messages"],
    observationBody: "input" },
  { field: "output", from: "span", attribute: "langfuse.observation.output", encoding: "json", sameAs: none,
    fallbacks: [{ events: genAiOutputEvents }, "output.value", "output", "gen_ai.completion", "gen_ai.output.messages"],
    observationBody: "output" },
  { field: "level", from: "span", attribute: "langfuse.observation.level", encoding: "text", sameAs: none,
    // After this, a span status of "error" means ERROR: see resolve-fields.ts.
    fallbacks: none, observationBody: "level" },
  { field: "statusMessage", from: "span", attribute: "langfuse.observation.status_message", encoding: "text", sameAs: none,
    // After this, the message of the span status.
    fallbacks: none, observationBody: "statusMessage" },
  { field: "version", from: "span", attribute: "langfuse.version", encoding: "text", sameAs: none,
    fallbacks: none, observationBody: "version" },
  { field: "model", from: "span", attribute: "langfuse.observation.model.name", encoding: "text", sameAs: none,
    fallbacks: ["gen_ai.response.model", "gen_ai.request.model", "model"],
    observationBody: "model", generationOnly: true },
  { field: "modelParameters", from: "span", attribute: "langfuse.observation.model.parameters", encoding: "record", sameAs: none,
    fallbacks: none, observationBody: "modelParameters", generationOnly: true },
  { field: "usageDetails", from: "span", attribute: "langfuse.observation.usage_details", encoding: "record", sameAs: none,
    fallbacks: [{ prefix: "gen_ai.usage.", rename: usageNames, except: ["cost"] }],
    observationBody: "usageDetails", generationOnly: true },
  { field: "costDetails", from: "span", attribute: "langfuse.observation.cost_details", encoding: "record", sameAs: none,
    fallbacks: [{ prefix: "gen_ai.usage.cost", rename: { "": "total" } }],
    observationBody: "costDetails", generationOnly: true },
  { field: "completionStartTime", from: "span", attribute: "langfuse.observation.completion_start_time", encoding: "text", sameAs: none,
    fallbacks: none, observationBody: "completionStartTime", generationOnly: true },
  { field: "promptName", from: "span", attribute: "langfuse.observation.prompt.name", encoding: "text", sameAs: none,
    fallbacks: none, observationBody: "promptName", generationOnly: true },
  { field: "promptVersion", from: "span", attribute: "langfuse.observation.prompt.version", encoding: "integer", sameAs: none,
    fallbacks: none, observationBody: "promptVersion", generationOnly: true },
  { field: "metadata", from: "span", attribute: "langfuse.observation.metadata", encoding: "spread", sameAs: none,
    fallbacks: none, observationBody: "metadata" },
  // Langfuse 4 keeps no row for a trace: these are written on every span.
  { field: "environment", from: "span", attribute: "langfuse.environment", encoding: "text", sameAs: none,
    fallbacks: ["deployment.environment.name", "deployment.environment"], inResource: true,
    observationBody: "environment", traceBody: "environment" },
  { field: "release", from: "span", attribute: "langfuse.release", encoding: "text", sameAs: none,
    fallbacks: none, inResource: true, traceBody: "release" },
  { field: "traceName", from: "trace", attribute: "langfuse.trace.name", encoding: "text", sameAs: none,
    fallbacks: none, traceBody: "name" },
  { field: "userId", from: "trace", attribute: "langfuse.user.id", encoding: "text", sameAs: ["user.id"],
    fallbacks: ["user.id"], traceBody: "userId" },
  { field: "sessionId", from: "trace", attribute: "langfuse.session.id", encoding: "text", sameAs: ["session.id"],
    fallbacks: ["session.id", "gen_ai.conversation.id"], traceBody: "sessionId" },
  { field: "tags", from: "trace", attribute: "langfuse.trace.tags", encoding: "texts", sameAs: none,
    fallbacks: none, traceBody: "tags" },
  { field: "public", from: "trace", attribute: "langfuse.trace.public", encoding: "boolean", sameAs: none,
    fallbacks: none, traceBody: "public" },
  { field: "traceMetadata", from: "trace", attribute: "langfuse.trace.metadata", encoding: "spread", sameAs: none,
    fallbacks: none, traceBody: "metadata" },
  { field: "traceInput", from: "looked-up", attribute: "langfuse.trace.input", encoding: "json", sameAs: none,
    fallbacks: none, traceBody: "input" },
  { field: "traceOutput", from: "looked-up", attribute: "langfuse.trace.output", encoding: "json", sameAs: none,
    fallbacks: none, traceBody: "output" },
];

/** The value that was given explicitly; null counts as not given. */
export function explicitValue(row: LangfuseField, payload: SpanPayload): unknown {
  const fields = row.from === "span" ? payload : row.from === "trace" ? payload.trace : undefined;
  return (fields as Record<string, unknown> | undefined)?.[row.field] ?? undefined;
}
