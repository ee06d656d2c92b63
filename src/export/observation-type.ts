/**
 * What kind of observation a span is, on ingestion: there the type is part of the event's own name, so what Langfuse's
 * OTLP route would conclude from the attributes has to be concluded here, in the same order.
 */
import { type ObservationType, observationTypes } from "../buffer/span-payload.ts";

interface TypeRow {
  /** The attribute to look at; the rows are tried in order. */
  key: string;
  /** Its value (in lower case) → the type; a value that is not here says nothing. `any`: being there is enough. */
  types: Readonly<Record<string, ObservationType>> | { any: ObservationType };
}

const typeTable: readonly TypeRow[] = [
  {
    key: "langfuse.observation.type",
    types: Object.fromEntries(observationTypes.map((type) => [type, type])),
  },
  {
    key: "openinference.span.kind",
    types: {
      llm: "generation",
      chain: "chain",
      retriever: "retriever",
      tool: "tool",
      agent: "agent",
      embedding: "embedding",
      guardrail: "guardrail",
      evaluator: "evaluator",
    },
  },
  {
    key: "gen_ai.operation.name",
    types: {
      chat: "generation",
      completion: "generation",
      text_completion: "generation",
      generate_content: "generation",
      embeddings: "embedding",
      invoke_agent: "agent",
      execute_tool: "tool",
    },
  },
  { key: "langfuse.observation.model.name", types: { any: "generation" } },
  { key: "gen_ai.request.model", types: { any: "generation" } },
  { key: "model", types: { any: "generation" } },
];

/** @param hasModel the span was given a model explicitly, which stands for the attribute of the model's name. */
export function observationType(attributes: ReadonlyMap<string, unknown>, hasModel: boolean): ObservationType {
  for (const { key, types } of typeTable) {
    const value = attributes.get(key);
    if ("any" in types) {
      if (hasModel || (value !== undefined && value !== null && value !== "")) return types.any;
    } else {
      const type = (types as Readonly<Record<string, ObservationType | undefined>>)[String(value).toLowerCase()];
      if (type !== undefined) return type;
    }
  }
  return "span";
}

/** Langfuse 2 knows these three alone; from 3 on every type has an event of its own. */
const oldTypes: readonly ObservationType[] = ["span", "generation", "event"];
const firstMajorWithAllTypes = 3;

export function isOldType(type: ObservationType): boolean {
  return oldTypes.includes(type);
}

/**
 * The name of the ingestion event, and the type that must be told in the metadata because the name cannot say it.
 *
 * @param serverMajor undefined: not known, so what every server knows.
 * @param isGeneration the span has fields that only generations have.
 */
export function eventTypeFor(
  type: ObservationType,
  serverMajor: number | undefined,
  isGeneration: boolean,
): { event: string; typeInMetadata?: ObservationType } {
  if (isOldType(type)) return { event: `${type}-create` };
  if (serverMajor !== undefined && serverMajor >= firstMajorWithAllTypes) return { event: `${type}-create` };
  return { event: isGeneration ? "generation-create" : "span-create", typeInMetadata: type };
}
