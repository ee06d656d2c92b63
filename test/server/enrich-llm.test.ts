/** What the enricher makes of a model's call: token counts under priced names, system instructions as a message. */
import { expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { createEnricher } from "../../src/server/enrich/enricher.ts";
import { keysOf, pipecatSpan } from "./enrich-spans.ts";

function enrich(span: SpanPayload): SpanPayload {
  createEnricher().enrich(span, {});
  return span;
}

const counts = (values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`gen_ai.usage.${key}`, value]));

test.each([
  [
    "of OpenAI's kind hold the cached ones",
    {
      "gen_ai.provider.name": "openai",
      ...counts({ input_tokens: 100, "cache_read.input_tokens": 80, output_tokens: 9 }),
    },
    { input: 20, input_cached_tokens: 80, output: 9 },
  ],
  [
    "of Anthropic's are beside them",
    {
      "gen_ai.provider.name": "anthropic",
      ...counts({
        input_tokens: 100,
        "cache_read.input_tokens": 80,
        "cache_creation.input_tokens": 10,
        output_tokens: 9,
      }),
    },
    { input: 100, input_cached_tokens: 80, input_cache_creation: 10, output: 9 },
  ],
  [
    "of a service that is not known, and cannot hold them",
    { "gen_ai.provider.name": "new", ...counts({ input_tokens: 10, "cache_read.input_tokens": 80 }) },
    { input: 10, input_cached_tokens: 80 },
  ],
  [
    "with reasoning",
    counts({ input_tokens: 1, output_tokens: 90, "reasoning.output_tokens": 50 }),
    { input: 1, output: 40, output_reasoning_tokens: 50 },
  ],
  [
    "with audio, partly cached",
    counts({
      input_tokens: 100,
      "cache_read.input_tokens": 30,
      "audio.input_tokens": 60,
      "audio.cache_read.input_tokens": 20,
      output_tokens: 50,
      "audio.output_tokens": 45,
    }),
    { input: 30, input_cached_tokens: 30, input_audio_tokens: 40, output: 5, output_audio_tokens: 45 },
  ],
  [
    "under the names of earlier versions",
    counts({
      prompt_tokens: 100,
      cache_read_input_tokens: 60,
      cache_creation_input_tokens: 30,
      completion_tokens: 9,
      reasoning_tokens: 4,
    }),
    { input: 10, input_cached_tokens: 60, input_cache_creation: 30, output: 5, output_reasoning_tokens: 4 },
  ],
  ["that are none", counts({ input_tokens: -1, output_tokens: 1.5 }), undefined],
])("token counts %s: no token is priced twice", (_what, attributes, expected) => {
  expect(enrich(pipecatSpan("llm", attributes as Record<string, number>)).usageDetails).toEqual(expected);
});

const instructions = 'Say "grüß dich" for $& 😀';
const json = JSON.stringify(instructions);
const system = `{"role":"system","content":${json}}`;
const python =
  '[{"role": "system", "content": "Say \\"gr\\u00fc\\u00df dich\\" for $& \\ud83d\\ude00"}, {"role": "user"}]';

test.each([
  ["no input", undefined, `[${system}]`],
  ["an empty list", " [ ] ", `[${system}]`],
  ["a list", ' [{"role":"user","content":"hi"}]', `[${system},{"role":"user","content":"hi"}]`],
  ["a text", "hi", `[${system},{"role":"user","content":"hi"}]`],
  ["a list that holds them", `[${system}]`, undefined],
  ["one that Python wrote", python, undefined],
  ["one with a developer's message", python.replace("system", "developer"), undefined],
  ["a list with others", '[{"role":"system","content":"x"}]', `[${system},{"role":"system","content":"x"}]`],
])("system instructions beside %s", (_what, input, expected) => {
  const attributes = { "gen_ai.system_instructions": instructions, ...(input === undefined ? {} : { input }) };
  const span = enrich(pipecatSpan("llm", attributes));
  expect(span.input).toBe(expected);
  // Where they were there already, the list stays the attribute that it was.
  expect(keysOf(span)).toEqual(expected === undefined ? ["input"] : []);
});
