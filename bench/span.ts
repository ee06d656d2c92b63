/**
 * What a span is to the benchmark, and its two forms: a `SpanRecord` and the attributes of a plain OTel tracer. The
 * content is made in bench/content.ts, before anything is timed.
 */
import type { SpanRecord } from "../src/index.ts";

/**
 * Found once in every span on every wire format: the sink counts it to see what has arrived. A number of eight digits
 * and a bracket follow it; where spans may come twice, the sink keeps the numbers.
 */
export const spanMarker = "[span ";

export const spanKinds = ["llm", "stt", "history", "unicode"] as const;
export type SpanKind = (typeof spanKinds)[number];

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** A span's fields in the terms of Langfuse's own clients. An stt span has an output and nothing else. */
export interface SpanContent {
  type: "generation" | "span";
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  startTime: Date;
  endTime: Date;
  output: ChatMessage | string;
  generation: GenerationFields | undefined;
}

export interface GenerationFields {
  model: string;
  modelParameters: { temperature: number; max_tokens: number };
  usageDetails: { input: number; output: number; total: number };
  input: ChatMessage[];
  metadata: { ttfbMs: number; turn: number; session: string; user: string };
}

/** A finished span in OpenTelemetry's terms, whose attributes hold the values as they are. */
export function recordOf(content: SpanContent): SpanRecord {
  const { generation } = content;
  return {
    traceId: content.traceId,
    spanId: content.spanId,
    parentSpanId: content.parentSpanId,
    name: content.name,
    kind: 3,
    startTimeUnixNano: `${content.startTime.getTime()}000000`,
    endTimeUnixNano: `${content.endTime.getTime()}000000`,
    attributes:
      generation === undefined
        ? { "langfuse.observation.output": content.output }
        : {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": generation.model,
            "langfuse.observation.model.parameters": generation.modelParameters,
            "langfuse.observation.usage_details": generation.usageDetails,
            "langfuse.observation.input": generation.input,
            "langfuse.observation.output": content.output,
            "langfuse.observation.metadata": generation.metadata,
          },
  };
}

/** Attributes as a plain OTel tracer takes them: what is no string or number is JSON text there. */
export function otelAttributesOf({ output, generation }: SpanContent): Record<string, string | number> {
  const outputText = typeof output === "string" ? output : JSON.stringify(output);
  if (generation === undefined) return { "langfuse.observation.output": outputText };
  const { model, modelParameters, usageDetails, input, metadata } = generation;
  return {
    "langfuse.observation.type": "generation",
    "langfuse.observation.model.name": model,
    "langfuse.observation.model.parameters": JSON.stringify(modelParameters),
    "langfuse.observation.usage_details": JSON.stringify(usageDetails),
    "langfuse.observation.input": JSON.stringify(input),
    "langfuse.observation.output": outputText,
    "langfuse.observation.metadata.ttfbMs": metadata.ttfbMs,
    "langfuse.observation.metadata.turn": metadata.turn,
    "langfuse.observation.metadata.session": metadata.session,
    "langfuse.observation.metadata.user": metadata.user,
  };
}
