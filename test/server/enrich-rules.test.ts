/** Each rule of src/server/enrich/pipecat.ts, alone, and what a span says itself against it. */
import { expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { createEnricher } from "../../src/server/enrich/enricher.ts";
import { attributeList, conversation, keysOf, pipecatSpan } from "./enrich-spans.ts";

function enrich(span: SpanPayload): SpanPayload {
  createEnricher().enrich(span, {});
  return span;
}

/** What the enricher has added to a span. */
function added(span: SpanPayload): Partial<SpanPayload> {
  const before = structuredClone(span);
  enrich(span);
  const entries = Object.entries(span).filter(([key]) => key !== "attributes" && !(key in before));
  return Object.fromEntries(entries) as Partial<SpanPayload>;
}

test.each([
  ["conversation", { "conversation.type": "voice" }, { type: "agent", metadata: { "conversation.type": "voice" } }],
  [
    "turn",
    {
      "turn.number": 3,
      "turn.duration_seconds": 4.5,
      "turn.user_bot_latency_seconds": 0.93,
      "turn.user_turn_seconds": 1.5,
      "turn.text_aggregation_seconds": 0.1,
      "turn.was_interrupted": true,
      "turn.ended_by_conversation_end": true,
      "turn.type": "conversation",
    },
    {
      type: "chain",
      metadata: {
        "turn.number": 3,
        "turn.duration_seconds": 4.5,
        "turn.user_bot_latency_seconds": 0.93,
        "turn.user_turn_seconds": 1.5,
        "turn.text_aggregation_seconds": 0.1,
        "turn.was_interrupted": true,
        "turn.ended_by_conversation_end": true,
      },
    },
  ],
  [
    "stt",
    { transcript: "Hello", "metrics.ttfb": 0.25, "stt.incomplete": true },
    {
      type: "generation",
      output: "Hello",
      completionStartTime: "2026-11-01T08:00:00.250Z",
      metadata: { "stt.incomplete": true },
    },
  ],
  [
    "llm",
    { input: "[]", "gen_ai.system_instructions": "Be brief.", "metrics.ttfb": 1, "gen_ai.usage.output_tokens": 7 },
    {
      type: "generation",
      input: '[{"role":"system","content":"Be brief."}]',
      completionStartTime: "2026-11-01T08:00:01.000Z",
      usageDetails: { output: 7 },
    },
  ],
  [
    "tts",
    { text: "Goodbye", "metrics.ttfb": 0.0015, "tts.interrupted": true },
    {
      type: "generation",
      input: "Goodbye",
      completionStartTime: "2026-11-01T08:00:00.001Z",
      metadata: { "tts.interrupted": true },
    },
  ],
  [
    "llm_setup",
    { "gen_ai.request.model": "gpt-realtime", instructions: "Be kind.", "tools.count": 2 },
    { type: "span", input: '[{"role":"system","content":"Be kind."}]' },
  ],
  ["llm_request", { "gen_ai.request.model": "gpt-realtime", input: '[{"role":"user"}]' }, { type: "span" }],
  [
    "llm_response",
    {
      output: "Hi",
      "metrics.ttfb": 9,
      "gen_ai.usage.input_tokens": 10,
      "gen_ai.usage.output_tokens": 20,
      "response.status": "completed",
      turn_complete: true,
      "function_calls.all_names": "get_weather",
    },
    {
      type: "generation",
      usageDetails: { input: 10, output: 20 },
      metadata: {
        "metrics.ttfb": 9,
        "response.status": "completed",
        turn_complete: true,
        "function_calls.all_names": "get_weather",
      },
    },
  ],
  [
    "llm_tool_call",
    { "tool.function_name": "get_weather", "tool.call_id": "call-1", "tool.arguments": '{"city":"Oslo"}' },
    {
      type: "tool",
      input: '{"city":"Oslo"}',
      metadata: { "tool.function_name": "get_weather", "tool.call_id": "call-1" },
    },
  ],
  [
    "llm_tool_result",
    { "tool.function_name": "get_weather", "tool.result": '{"degrees":12}', "tool.result_status": "completed" },
    {
      type: "tool",
      output: '{"degrees":12}',
      metadata: { "tool.function_name": "get_weather", "tool.result_status": "completed" },
    },
  ],
  [
    "a name of a later version",
    { "tool.function_name": "get_weather", "tool.arguments": "{}", "tool.result": "12" },
    { type: "tool", input: "{}", output: "12", metadata: { "tool.function_name": "get_weather" } },
  ],
  ["another name of a later version", { "metrics.ttfb": 0.1 }, {}],
])("%s", (name, attributes, expected) => {
  expect(added(pipecatSpan(name, attributes as Record<string, string>))).toEqual(expected);
});

test("what became input or output is not sent a second time, the rest stays as it came", () => {
  expect(keysOf(enrich(pipecatSpan("stt", { transcript: "Hello", is_final: true })))).toEqual(["is_final"]);
  expect(keysOf(enrich(pipecatSpan("tts", { text: "Hello", voice_id: "7" })))).toEqual(["voice_id"]);
  const llm = pipecatSpan("llm", { input: "[]", "gen_ai.system_instructions": "Be brief.", tools: "[]", output: "Hi" });
  const list = llm.attributes;
  expect(keysOf(enrich(llm))).toEqual(["tools", "output"]);
  expect(list).toHaveLength(4);
});

test.each([
  ["type", "stt", { "langfuse.observation.type": "agent" }],
  ["type", "stt", { "openinference.span.kind": "CHAIN" }],
  ["output", "stt", { "langfuse.observation.output": "said" }],
  ["output", "stt", { output: "said" }],
  ["input", "tts", { "langfuse.observation.input": "said" }],
  ["input", "tts", { "input.value": "said" }],
  ["input", "llm", { "langfuse.observation.input": "said" }],
  ["input", "llm", { "gen_ai.input.messages": "[]" }],
  ["completionStartTime", "llm", { "langfuse.observation.completion_start_time": "2026-11-01T08:00:00.001Z" }],
  ["usageDetails", "llm", { "langfuse.observation.usage_details": '{"input":1}' }],
  ["model", "llm", { "langfuse.observation.model.name": "said" }],
  ["metadata", "tts", { "langfuse.observation.metadata": '{"a":1}' }],
  ["metadata", "tts", { "langfuse.observation.metadata.tts.interrupted": "said" }],
] as const)("%s of %s is left to what the span says: %o", (field, name, said) => {
  const everything = {
    transcript: "t",
    text: "t",
    "gen_ai.system_instructions": "s",
    "metrics.ttfb": 0.1,
    "gen_ai.usage.input_tokens": 5,
    "settings.model": "m",
    "tts.interrupted": true,
  };
  expect(added(pipecatSpan(name, everything))).toHaveProperty(field);
  const span = pipecatSpan(name, { ...everything, ...said });
  const keys = keysOf(span);
  expect(added(span)).not.toHaveProperty(field);
  // Nothing is moved away for the field's sake either.
  if (field === "input" || field === "output") expect(keysOf(span)).toContain(Object.keys(said)[0]);
  if (field === "input" && name === "tts") expect(keysOf(span)).toEqual(keys);
});

test("an empty value says nothing", () => {
  const empty = [
    { key: "langfuse.observation.output", value: {} },
    ...attributeList({ output: "", transcript: "Hello" }),
  ];
  expect(enrich(pipecatSpan("stt", {}, { attributes: empty })).output).toBe("Hello");
});

test("fields that a span was given explicitly stay", () => {
  const given = {
    type: "event",
    input: "i",
    output: "o",
    model: "m",
    usageDetails: { input: 1 },
    completionStartTime: "2026-11-01T08:00:00.000Z",
    metadata: { "tts.interrupted": "g", other: 1 },
    trace: { sessionId: "s", userId: "u", traceName: "n", tags: ["t"] },
  } as const;
  const attributes = { text: "t", "metrics.ttfb": 0.1, "tts.interrupted": true, user_id: "x", "conversation.id": "y" };
  for (const name of ["stt", "llm", "tts"]) {
    const span = pipecatSpan(name, attributes, structuredClone(given) as Partial<SpanPayload>);
    expect(enrich(span)).toMatchObject(given);
  }
});

test("only Pipecat's spans: by their scope, or by a sign that only Pipecat's span of that name has", () => {
  const attributes = { transcript: "Hello", user_id: "user-1" };
  const fields = (scope: unknown, extra: Record<string, string | boolean> = {}) =>
    Object.keys(added(pipecatSpan("stt", { ...attributes, ...extra }, { scope } as Partial<SpanPayload>))).sort();
  expect(fields({ name: "pipecat" })).toEqual(["output", "trace", "type"]);
  expect(fields({ name: "pipecat.turn" })).toEqual(["output", "trace", "type"]);
  expect(fields({ name: "my.fork" }, { vad_enabled: false })).toEqual(["output", "trace", "type"]);
  expect(fields({ name: "my.app" })).toEqual([]);
  expect(fields({ name: "pipecatalogue" })).toEqual([]);
  expect(fields(undefined)).toEqual([]);
});

test.each([
  ["the model is named where Langfuse looks", { "gen_ai.request.model": "gpt-4.1", "settings.model": "x" }, undefined],
  ["nowhere but in the settings", { "settings.model": "nova-3" }, "nova-3"],
  ["in the parameters", { "param.model": "gpt-4.1" }, "gpt-4.1"],
  ["as unknown", { "gen_ai.request.model": "unknown", "settings.model": "nova-3" }, "nova-3"],
  ["as unknown only", { "gen_ai.request.model": "unknown", "settings.model": "unknown" }, undefined],
])("model: %s", (_what, attributes, model) => {
  expect(enrich(pipecatSpan("stt", attributes as Record<string, string>)).model).toBe(model);
});

test.each([
  ["behind the span's end", 2.1, undefined],
  ["at its end", 2, "2026-11-01T08:00:02.000Z"],
  ["before its start", -0.1, undefined],
  ["no finite number of nanoseconds", 1e308, undefined],
])("first byte %s", (_what, seconds, expected) => {
  const list = [{ key: "metrics.ttfb", value: { doubleValue: seconds } }];
  expect(enrich(pipecatSpan("llm", {}, { attributes: list })).completionStartTime).toBe(expected);
});

test("the first byte's time is exact: nanoseconds are added, then cut to milliseconds", () => {
  const times = { startTimeUnixNano: "1793520000999999999", endTimeUnixNano: "1793520009000000000" };
  const list = [{ key: "metrics.ttfb", value: { doubleValue: 0.000000001 } }];
  expect(enrich(pipecatSpan("llm", {}, { ...times, attributes: list })).completionStartTime).toBe(
    "2026-11-01T08:00:01.000Z",
  );
});

test("enriching a span again changes nothing", () => {
  const enricher = createEnricher();
  const spans = conversation();
  for (const span of spans) enricher.learn(span);
  for (const span of spans) enricher.enrich(span, { tags: ["default"] });
  const once = structuredClone(spans);
  for (const span of spans) enricher.enrich(span, { tags: ["default"] });
  expect(spans).toEqual(once);
  expect(spans).not.toEqual(conversation());
});

test("learning changes no span", () => {
  const spans = conversation();
  const enricher = createEnricher();
  for (const span of spans) enricher.learn(span);
  expect(spans).toEqual(conversation());
});

test("a span with a plain object of attributes gets only the trace's fields", () => {
  const enricher = createEnricher();
  enricher.learn(pipecatSpan("turn", { "conversation.id": "c-1" }));
  const span = pipecatSpan("stt", {}, { attributes: { transcript: "Hello" } });
  enricher.enrich(span, {});
  expect(span).toMatchObject({ attributes: { transcript: "Hello" }, trace: { sessionId: "c-1" } });
  expect(span).not.toHaveProperty("output");
});

test("of a key that is there twice the last counts, as in the export", () => {
  const attributes = [...attributeList({ transcript: "first" }), ...attributeList({ transcript: "last" })];
  const span = enrich(pipecatSpan("stt", {}, { attributes }));
  expect(span.output).toBe("last");
  expect(keysOf(span)).toEqual([]);
});
