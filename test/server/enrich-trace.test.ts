/** What the spans of a trace learn from each other. */
import { expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { createEnricher, type Enricher } from "../../src/server/enrich/enricher.ts";
import type { TraceDefaults } from "../../src/server/options.ts";
import { attributeList, pipecatSpan } from "./enrich-spans.ts";

const foreign = { scope: { name: "my.app" } };

/** The trace's fields on a plain span that comes next. */
function next(
  enricher: Enricher,
  fields: Partial<SpanPayload> = {},
  defaults: TraceDefaults = {},
): SpanPayload["trace"] {
  const span = pipecatSpan("work", {}, { ...foreign, ...fields });
  enricher.enrich(span, defaults);
  return span.trace;
}

function learned(...spans: SpanPayload[]): Enricher {
  const enricher = createEnricher();
  for (const span of spans) enricher.learn(span);
  return enricher;
}

const say = (attributes: Parameters<typeof attributeList>[0], fields: Partial<SpanPayload> = foreign): SpanPayload =>
  pipecatSpan("work", attributes, fields);

const traceId = (index: number): string => index.toString(16).padStart(32, "0");

test.each([
  ["langfuse.session.id", { sessionId: "x" }],
  ["session.id", { sessionId: "x" }],
  ["gen_ai.conversation.id", { sessionId: "x" }],
  ["langfuse.user.id", { userId: "x" }],
  ["user.id", { userId: "x" }],
  ["langfuse.trace.name", { traceName: "x" }],
  ["langfuse.trace.tags", { tags: ["x"] }],
  // These may mean anything on a span that is not Pipecat's.
  ["conversation.id", undefined],
  ["user_id", undefined],
])("%s of any span is on all that come after it", (key, expected) => {
  expect(next(learned(say({ [key]: "x" })))).toEqual(expected);
});

test("a span of another trace gets none of it", () => {
  const enricher = learned(say({ "langfuse.session.id": "x", "langfuse.trace.tags": ["a"] }));
  expect(next(enricher, { traceId: "1".repeat(32) })).toBeUndefined();
});

test("the surer attribute counts, whichever comes first; of two that are as sure the first", () => {
  const weak = pipecatSpan("turn", { "conversation.id": "weak", user_id: "speaker-1" });
  const strong = say({ "langfuse.session.id": "strong", "langfuse.user.id": "account" });
  const expected = { sessionId: "strong", userId: "account" };
  expect(next(learned(weak, strong))).toEqual(expected);
  expect(next(learned(strong, weak))).toEqual(expected);
  expect(next(learned(weak, pipecatSpan("turn", { user_id: "speaker-2" })))).toEqual({
    sessionId: "weak",
    userId: "speaker-1",
  });
});

test("what a span says itself stays, whatever the trace says", () => {
  const enricher = learned(say({ "langfuse.session.id": "s", "langfuse.user.id": "u", "langfuse.trace.name": "n" }));
  const own = (attributes: Record<string, string>) => next(enricher, { attributes: attributeList(attributes) });
  expect(own({ "langfuse.session.id": "own" })).toEqual({ userId: "u", traceName: "n" });
  expect(own({ "session.id": "own", "user.id": "own" })).toEqual({ traceName: "n" });
  expect(own({ "langfuse.trace.name": "own" })).toEqual({ sessionId: "s", userId: "u" });
  expect(next(enricher, { trace: { userId: "own" } })).toEqual({ sessionId: "s", userId: "own", traceName: "n" });
});

test("a second speaker's user stays on the second speaker's spans", () => {
  const enricher = learned(pipecatSpan("stt", { user_id: "one" }));
  const span = pipecatSpan("stt", { user_id: "two" });
  enricher.enrich(span, {});
  expect(span.trace).toEqual({ userId: "two" });
  expect(next(enricher)).toEqual({ userId: "one" });
});

test("tags are joined, a span's own first", () => {
  const enricher = learned(say({ "langfuse.trace.tags": ["a", "b"] }), say({ "langfuse.trace.tags": ["b", "c"] }));
  expect(next(enricher)).toEqual({ tags: ["a", "b", "c"] });
  expect(next(enricher, { attributes: attributeList({ "langfuse.trace.tags": ["z", "b"] }) })).toEqual({
    tags: ["z", "b", "a", "c"],
  });
  // The span before has taught the trace its own tag.
  expect(next(enricher, { trace: { tags: ["y"] } })).toEqual({ tags: ["y", "a", "b", "c", "z"] });
  // All of them are said by the span: nothing to add.
  const all = attributeList({ "langfuse.trace.tags": ["z", "c", "b", "a"] });
  expect(next(enricher, { attributes: all })).toBeUndefined();
});

test.each([
  ["a list", ["a", "b"]],
  ["JSON", '["a","b"]'],
  ["with commas", "a, b"],
])("tags may come as %s", (_what, tags) => {
  expect(next(learned(say({ "langfuse.trace.tags": tags })))).toEqual({ tags: ["a", "b"] });
});

test("a user may be a number, if it is one", () => {
  expect(next(learned(say({ "user.id": 42 })))).toEqual({ userId: "42" });
  for (const value of [{ intValue: "1e999" }, { doubleValue: "NaN" }, { intValue: " " }, { boolValue: true }]) {
    const span = say({}, { ...foreign, attributes: [{ key: "user.id", value }] });
    expect(next(learned(span))).toBeUndefined();
  }
});

test("defaults give way to the span and to the trace", () => {
  const defaults = { sessionId: "d", userId: "d", traceName: "d", tags: ["d"] };
  expect(next(createEnricher(), {}, defaults)).toEqual(defaults);
  const enricher = learned(say({ "session.id": "s", "langfuse.trace.tags": ["t"] }));
  expect(next(enricher, {}, defaults)).toEqual({ sessionId: "s", userId: "d", traceName: "d", tags: ["t"] });
  const own = attributeList({ "user.id": "o", "langfuse.trace.tags": ["o"] });
  expect(next(createEnricher(), { attributes: own }, defaults)).toEqual({ sessionId: "d", traceName: "d" });
  const given = { sessionId: "g", userId: "g", traceName: "g", tags: ["g"] };
  expect(next(createEnricher(), { trace: given }, defaults)).toEqual(given);
});

test("Pipecat's root names its trace, after everybody else", () => {
  const { parentSpanId: _none, ...root } = pipecatSpan("conversation", { "conversation.type": "voice" });
  expect(next(learned(root))).toEqual({ traceName: "conversation" });
  expect(next(learned(root), {}, { traceName: "default" })).toEqual({ traceName: "default" });
  expect(next(learned(root, say({ "langfuse.trace.name": "call" })))).toEqual({ traceName: "call" });
  // Not every span of that name is the root.
  expect(next(learned(pipecatSpan("conversation", {})))).toBeUndefined();
});

test("traces are forgotten, the oldest first: memory is bounded", () => {
  const enricher = createEnricher();
  for (let index = 1; index <= 10_001; index++) enricher.learn(say({ "session.id": "s" }, { traceId: traceId(index) }));
  expect(next(enricher, { traceId: traceId(1) })).toBeUndefined();
  expect(next(enricher, { traceId: traceId(2) })).toEqual({ sessionId: "s" });
  expect(next(enricher, { traceId: traceId(10_001) })).toEqual({ sessionId: "s" });
});

test("a value that Langfuse would not copy either stays where it is said", () => {
  const long = "x".repeat(201);
  const enricher = learned(
    say({
      "session.id": long,
      "user.id": "u".repeat(200),
      "langfuse.trace.name": long,
      "langfuse.trace.tags": [long, "a"],
    }),
  );
  expect(next(enricher)).toEqual({ userId: "u".repeat(200), tags: ["a"] });
  const many = Array.from({ length: 60 }, (_, index) => `tag-${index}`);
  enricher.learn(say({ "langfuse.trace.tags": many }));
  expect(next(enricher)?.tags).toHaveLength(50);
});
