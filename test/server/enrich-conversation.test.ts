/** A conversation of Pipecat's on its whole way: enricher, journal, export, and what a Langfuse then shows. */
import { expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { createEnricher, type Enricher } from "../../src/server/enrich/enricher.ts";
import type { TraceDefaults } from "../../src/server/options.ts";
import type { StoredSpan } from "../../src/stand-in/index.ts";
import { bufferFor, standIn } from "../support/buffers.ts";
import { conversation } from "./enrich-spans.ts";

const session = "c0ffee00-0000-4000-8000-000000000001";
const generations = ["otlp", "ingestion"] as const;

/** @returns what arrived, by span id. */
async function deliver(
  spans: readonly SpanPayload[],
  generation: (typeof generations)[number],
): Promise<ReadonlyMap<string, StoredSpan>> {
  const server = await standIn({ generation });
  const buffer = bufferFor(server.url);
  for (const span of spans) expect(buffer.enqueue(span as never)).toBe(true);
  await buffer.flush({ timeoutMs: 10_000 });
  expect(server.account()).toMatchObject({ spans: spans.length, twice: 0 });
  return new Map(server.spans().map((stored) => [stored.id, stored]));
}

function enriched(enricher: Enricher, spans: SpanPayload[], defaults: TraceDefaults = {}): SpanPayload[] {
  for (const span of spans) enricher.learn(span);
  for (const span of spans) enricher.enrich(span, defaults);
  return spans;
}

test.each(generations)("one request, Langfuse's route %s: every span has what Pipecat knew", async (generation) => {
  const stored = await deliver(enriched(createEnricher(), conversation()), generation);
  expect([...stored.values()].map(({ name, type }) => `${name} ${type}`).sort()).toEqual([
    "conversation AGENT",
    "llm GENERATION",
    "llm GENERATION",
    "stt GENERATION",
    "stt GENERATION",
    "tts GENERATION",
    "tts GENERATION",
    "turn CHAIN",
    "turn CHAIN",
  ]);
  for (const span of stored.values()) {
    expect(span).toMatchObject({
      sessionId: session,
      userId: "user-1",
      tags: ["voice-agent"],
      traceName: "conversation",
    });
  }
  expect(stored.get("c000000000000001")).toMatchObject({
    type: "GENERATION",
    output: "Hi, weather in Oslo?",
    model: "nova-3-general",
    completionStartTime: "2026-11-01T08:00:01.210Z",
  });
  expect(stored.get("d000000000000002")).toMatchObject({
    type: "GENERATION",
    input: [
      { role: "system", content: "You are a helpful voice assistant." },
      { role: "user", content: "Hi, weather in Oslo?" },
      { role: "assistant", content: "It is nice and 12 degrees." },
      { role: "user", content: "Thanks, bye." },
    ],
    output: "Goodbye!",
    model: "gpt-4.1",
    usageDetails: { input: 80, output: 9, input_cached_tokens: 0 },
    completionStartTime: "2026-11-01T08:00:08.980Z",
  });
  expect(stored.get("e000000000000001")).toMatchObject({
    type: "GENERATION",
    input: "It is nice and 12 degrees.",
    model: "sonic-3",
    completionStartTime: "2026-11-01T08:00:03.240Z",
  });
  expect(stored.get("b000000000000002")?.metadata).toMatchObject({
    "turn.number": 2,
    "turn.user_bot_latency_seconds": 0.93,
    "turn.duration_seconds": 4.5,
    "turn.was_interrupted": false,
  });
  expect(stored.get("a000000000000001")?.metadata).toMatchObject({ "conversation.type": "voice" });
});

test("span by span, as they end: what was known before a span ended is on it", async () => {
  const enricher = createEnricher();
  const spans = conversation();
  const [stt, llm, tts, , , , turn] = spans as [SpanPayload, SpanPayload, SpanPayload, ...SpanPayload[]] &
    SpanPayload[];
  const root = spans.at(-1) as SpanPayload;
  for (const span of [stt, llm, turn as SpanPayload, tts, root]) enricher.enrich(span, {});
  const stored = await deliver([stt, llm, turn as SpanPayload, tts, root], "otlp");
  const shown = (span: SpanPayload) => {
    const { sessionId, userId, tags, traceName } = stored.get(span.spanId) as StoredSpan;
    return { sessionId, userId, tags, traceName };
  };
  const known = { sessionId: null, userId: "user-1", tags: [], traceName: null };
  expect(shown(stt)).toEqual(known);
  expect(shown(llm)).toEqual(known);
  expect(shown(turn as SpanPayload)).toEqual({ ...known, sessionId: session });
  expect(shown(tts)).toEqual({ ...known, sessionId: session });
  expect(shown(root)).toEqual({
    sessionId: session,
    userId: "user-1",
    tags: ["voice-agent"],
    traceName: "conversation",
  });
});

test("defaults are for what nobody says; they are there from the first span on", async () => {
  const enricher = createEnricher();
  const spans = conversation();
  const defaults = {
    sessionId: "default-session",
    userId: "default-user",
    traceName: "default-name",
    tags: ["default"],
  };
  for (const span of spans) enricher.enrich(span, defaults);
  const stored = await deliver(spans, "otlp");
  const [first] = spans as [SpanPayload];
  expect(stored.get(first.spanId)).toMatchObject({
    sessionId: "default-session",
    userId: "user-1",
    traceName: "default-name",
    tags: ["default"],
  });
  expect(stored.get("a000000000000001")).toMatchObject({
    sessionId: session,
    userId: "user-1",
    traceName: "default-name",
    tags: ["voice-agent"],
  });
});
