/**
 * What every subject is given: one LLM generation, of which the JSON as a `SpanRecord` is exactly 1,200 bytes. Each has
 * its own ids, times and text, so that nothing in a library, in V8 or in a cache line can answer for a second one.
 * Made before anything is timed, in the form that the subject's interface wants: making it is measured for nobody.
 */
import type { SpanRecord } from "../src/index.ts";

/** Bytes of a record's JSON. The text is ASCII, so characters are bytes. */
export const spanJsonBytes = 1200;

/** Found once in every span on every wire format; the sink counts it to see what has arrived. */
export const spanMarker = "bench-llm-4.1-mini";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** The generation's fields in the terms of Langfuse's own clients. */
export interface Generation {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  startTime: Date;
  endTime: Date;
  model: string;
  modelParameters: { temperature: number; max_tokens: number };
  usageDetails: { input: number; output: number; total: number };
  input: ChatMessage[];
  output: ChatMessage;
  metadata: { ttfbMs: number; turn: number; session: string; user: string };
}

const words =
  "agent answer appointment balance because booking bot caller calendar confirm connection customer delivery doctor evening flight friday hello invoice later moment monday morning number office order payment please question reason refund repeat schedule second service shipment sorry station system thank ticket today tomorrow train transfer understand voice weather week yesterday".split(
    " ",
  );

/**
 * Makes `count` generations.
 *
 * @param seed the same seed makes the same ones.
 */
export function makeGenerations(count: number, seed: number): Generation[] {
  const random = randomSource(seed);
  return Array.from({ length: count }, (_, index) => makeGeneration(index, random));
}

function makeGeneration(index: number, random: () => number): Generation {
  const startMs = 1_790_000_000_000 + index * 7;
  const input = 100 + Math.floor(random() * 900);
  const output = 10 + Math.floor(random() * 90);
  const generation: Generation = {
    traceId: hex(32, random),
    spanId: hex(16, random),
    parentSpanId: hex(16, random),
    name: "llm",
    startTime: new Date(startMs),
    endTime: new Date(startMs + 200 + Math.floor(random() * 800)),
    model: spanMarker,
    modelParameters: { temperature: 0.7, max_tokens: 256 },
    usageDetails: { input, output, total: input + output },
    input: [
      { role: "system", content: text(200, random) },
      { role: "user", content: text(90, random) },
    ],
    output: { role: "assistant", content: "" },
    metadata: {
      ttfbMs: 100 + Math.floor(random() * 400),
      turn: index % 40,
      session: `call-${hex(12, random)}`,
      user: `user-${hex(8, random)}`,
    },
  };
  generation.output.content = text(spanJsonBytes - JSON.stringify(recordOf(generation)).length, random);
  return generation;
}

/** A finished span in OpenTelemetry's terms, whose attributes hold the generation's values as they are. */
export function recordOf(generation: Generation): SpanRecord {
  return {
    traceId: generation.traceId,
    spanId: generation.spanId,
    parentSpanId: generation.parentSpanId,
    name: generation.name,
    kind: 3,
    startTimeUnixNano: `${generation.startTime.getTime()}000000`,
    endTimeUnixNano: `${generation.endTime.getTime()}000000`,
    attributes: {
      "langfuse.observation.type": "generation",
      "langfuse.observation.model.name": generation.model,
      "langfuse.observation.model.parameters": generation.modelParameters,
      "langfuse.observation.usage_details": generation.usageDetails,
      "langfuse.observation.input": generation.input,
      "langfuse.observation.output": generation.output,
      "langfuse.observation.metadata": generation.metadata,
    },
  };
}

/** Attributes as a plain OTel tracer takes them: what is no string or number is JSON text there. */
export function otelAttributesOf(generation: Generation): Record<string, string | number> {
  return {
    "langfuse.observation.type": "generation",
    "langfuse.observation.model.name": generation.model,
    "langfuse.observation.model.parameters": JSON.stringify(generation.modelParameters),
    "langfuse.observation.usage_details": JSON.stringify(generation.usageDetails),
    "langfuse.observation.input": JSON.stringify(generation.input),
    "langfuse.observation.output": JSON.stringify(generation.output),
    "langfuse.observation.metadata.ttfbMs": generation.metadata.ttfbMs,
    "langfuse.observation.metadata.turn": generation.metadata.turn,
    "langfuse.observation.metadata.session": generation.metadata.session,
    "langfuse.observation.metadata.user": generation.metadata.user,
  };
}

/** Words of that many characters together. A text made of pieces is flattened, as one that came from a network is. */
function text(length: number, random: () => number): string {
  let result = "";
  while (result.length < length) result += `${words[Math.floor(random() * words.length)] as string} `;
  return Buffer.from(result.slice(0, length), "latin1").toString("latin1");
}

function hex(digits: number, random: () => number): string {
  let result = "";
  while (result.length < digits) {
    result += Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  }
  return Buffer.from(result.slice(0, digits), "latin1").toString("latin1");
}

/** Mulberry32: good enough for text, and the same on every machine. */
function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
