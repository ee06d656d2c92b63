/** Events of one observation → one body → one span. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mergeBatch } from "../../src/export/event-batch.ts";
import { spanIdOf, traceIdOf, traceSpanIdOf } from "../../src/export/event-ids.ts";
import { eventKind, observationTypeOf, takesEvents } from "../../src/export/event-kinds.ts";
import { mergeEvents } from "../../src/export/event-merge.ts";
import { mergeTrace, observationSpan, traceSpan } from "../../src/export/event-spans.ts";
import { usageOf } from "../../src/export/event-usage.ts";
import type { IngestionEvent } from "../../src/export/ingestion.ts";
import { validatePayload } from "../../src/export/validate.ts";

const noonMs = Date.UTC(2026, 10, 23, 12);
const at = (ms: number): string => new Date(noonMs + ms).toISOString();

function event(type: string, ms: number, body: Record<string, unknown>): IngestionEvent {
  return { id: `${type}-${ms}`, type, timestamp: at(ms), body };
}

describe("ids", () => {
  test("what OTLP takes stays, a UUID loses its dashes, anything else is a hash", () => {
    expect(traceIdOf("0af7651916cd43dd8448eb211c80319c")).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(traceIdOf("0AF7651916CD43DD8448EB211C80319C")).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(traceIdOf("0af76519-16cd-43dd-8448-eb211c80319c")).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(spanIdOf("b7ad6b7169203331")).toBe("b7ad6b7169203331");
    expect(traceIdOf("0".repeat(32))).not.toBe("0".repeat(32));
    expect(traceIdOf("00000000-0000-0000-0000-000000000000")).toMatch(/^(?!0+$)[0-9a-f]{32}$/);
  });

  // Written down: they are in servers, and must be the same in every version of this package.
  test("hashes are the same for ever", () => {
    expect(traceIdOf("call-1")).toBe("98e5eb12f1158ea26fce664edece769a");
    expect(spanIdOf("0af76519-16cd-43dd-8448-eb211c80319c")).toBe("b16b21a9701d096f");
    expect(traceSpanIdOf("0af7651916cd43dd8448eb211c80319c")).toBe("05892de75f6ca524");
  });

  test("whatever text: valid ids, the same each time, and a trace is none of its observations", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: "binary" }), (id) => {
        expect(traceIdOf(id)).toMatch(/^[0-9a-f]{32}$/);
        expect(spanIdOf(id)).toMatch(/^[0-9a-f]{16}$/);
        expect(traceIdOf(id).startsWith(spanIdOf(id))).toBe(false);
        expect(traceIdOf(traceIdOf(id))).toBe(traceIdOf(id));
        expect(spanIdOf(spanIdOf(id))).toBe(spanIdOf(id));
      }),
    );
  });
});

describe("usage", () => {
  test.each<[string, Record<string, unknown>, Record<string, number>, Record<string, number>]>([
    ["today's form", { usage: { input: 3, output: 4, unit: "TOKENS" } }, { input: 3, output: 4, total: 7 }, {}],
    ["a total that is no sum", { usage: { input: 3, output: 4, total: 9 } }, { input: 3, output: 4, total: 9 }, {}],
    ["one side alone", { usage: { output: 4, input: null } }, { output: 4, total: 4 }, {}],
    [
      "OpenAI's first names",
      { usage: { promptTokens: 3, completionTokens: 4, totalTokens: 7, inputCost: 1 } },
      { input: 3, output: 4, total: 7 },
      { input: 1 },
    ],
    [
      "costs",
      { usage: { inputCost: 0.1, outputCost: 0.2, totalCost: 0.3 } },
      {},
      { input: 0.1, output: 0.2, total: 0.3 },
    ],
    [
      "details go before, and no total is made up beside them",
      {
        usage: { input: 1, output: 2, inputCost: 5 },
        usageDetails: { input: 3, cached: 2 },
        costDetails: { input: 6 },
      },
      { input: 3, output: 2, cached: 2 },
      { input: 6 },
    ],
    [
      "OpenAI's chat",
      {
        usageDetails: {
          prompt_tokens: 10,
          completion_tokens: 5,
          total_tokens: 15,
          prompt_tokens_details: { cached_tokens: 4, audio_tokens: null },
          completion_tokens_details: { reasoning_tokens: 2 },
        },
      },
      { input: 6, input_cached_tokens: 4, output: 3, output_reasoning_tokens: 2, total: 15 },
      {},
    ],
    [
      "OpenAI's responses",
      {
        usageDetails: {
          input_tokens: 10,
          output_tokens: 5,
          total_tokens: 15,
          input_tokens_details: { cached_tokens: 12 },
        },
      },
      { input: 0, input_cached_tokens: 12, output: 5, total: 15 },
      {},
    ],
    ["nothing", { usage: null, usageDetails: {} }, {}, {}],
  ])("%s", (_, body, usageDetails, costDetails) => {
    expect(usageOf(body)).toEqual({ usageDetails, costDetails });
  });
});

describe("merging", () => {
  const create = event("generation-create", 0, {
    id: "g",
    traceId: "t",
    name: "first",
    startTime: at(0),
    environment: "test",
    input: "question",
    metadata: { a: 1, list: [1, 2], deep: { x: 1 } },
    usage: { input: 1 },
  });
  const update = event("generation-update", 10, {
    id: "g",
    traceId: "elsewhere",
    name: "second",
    startTime: at(5),
    environment: "other",
    input: null,
    output: "answer",
    metadata: { a: 2, list: [9], deep: { y: 2 } },
    usage: { output: 2 },
  });
  const end = event("generation-update", 20, {
    id: "g",
    endTime: at(20),
    name: null,
    output: "final",
    metadata: "text",
    usage: null,
  });

  test("the later wins, but for what never changes; null says nothing; metadata is merged deeply", () => {
    expect(mergeEvents([create, update, end]).body).toMatchObject({
      traceId: "t",
      name: "second",
      startTime: at(0),
      endTime: at(20),
      environment: "test",
      input: "question",
      output: "final",
      metadata: { a: 2, list: [9, 2], deep: { x: 1, y: 2 }, metadata: "text" },
      usageDetails: { output: 2, total: 2 },
    });
  });

  test("in whatever order they come", () => {
    const expected = mergeEvents([create, update, end]);
    fc.assert(
      fc.property(fc.shuffledSubarray([create, update, end], { minLength: 3 }), (events) => {
        expect(mergeEvents(events)).toEqual(expected);
      }),
    );
  });

  test("of two at one moment what creates goes before what updates", () => {
    const sameMoment = { ...create, timestamp: update.timestamp };
    expect(mergeEvents([update, sameMoment]).body["name"]).toBe("second");
  });

  test("a prompt's name and version are taken together", () => {
    const named = event("generation-create", 0, { id: "g", promptName: "a", promptVersion: 1 });
    const half = event("generation-update", 1, { id: "g", promptName: "b", promptVersion: null });
    expect(mergeEvents([named, half]).body).toMatchObject({ promptName: "a", promptVersion: 1 });
  });

  test("a key that would reach an object's own kind is passed over", () => {
    const hostile = JSON.parse(
      '{"id":"g","__proto__":{"name":"x"},"metadata":{"__proto__":{"polluted":true},"a":1}}',
    ) as IngestionEvent["body"];
    const { body } = mergeEvents([
      event("span-create", 0, { id: "g", metadata: { b: 2 } }),
      event("span-update", 1, hostile),
    ]);
    expect(body["metadata"]).toEqual({ a: 1, b: 2 });
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(body["name"]).toBeUndefined();
  });

  test("a trace's tags add up", () => {
    const events = [
      event("trace-create", 0, { id: "t", tags: ["b", "a"] }),
      event("trace-create", 1, { id: "t", tags: ["c", "a"] }),
    ];
    expect(mergeTrace("t", events).body["tags"]).toEqual(["a", "b", "c"]);
  });
});

describe("spans", () => {
  test("an end before the beginning, and no end at all", () => {
    const backwards = event("span-create", 0, { id: "s", startTime: at(10), endTime: at(5) });
    expect(observationSpan("s", [backwards], undefined, undefined).endMs).toBe(noonMs + 10);
    const open = event("generation-create", 3, { id: "s", completionStartTime: at(50) });
    expect(observationSpan("s", [open], undefined, undefined)).toMatchObject({
      endMs: noonMs + 50,
      span: { startTimeUnixNano: `${BigInt(noonMs + 3) * 1_000_000n}`, traceId: traceIdOf("s") },
    });
  });

  test("the type is that of the create, also when updates of other types follow", () => {
    const events = [event("tool-create", 0, { id: "x" }), event("span-update", 1, { id: "x" })];
    expect(observationSpan("x", events, undefined, undefined).span.type).toBe("tool");
    expect(observationTypeOf(event("observation-create", 0, { type: "GENERATION" }))).toBe("generation");
    expect(observationTypeOf(event("observation-create", 0, { type: "other" }))).toBe("span");
  });

  test("whatever the bodies hold: spans that Langfuse can store", () => {
    const field = fc.constantFrom(
      "name",
      "traceId",
      "startTime",
      "endTime",
      "parentObservationId",
      "tags",
      "metadata",
      "usage",
      "model",
      "input",
      "public",
      "modelParameters",
      "level",
      "timestamp",
    );
    const body = fc.dictionary(field, fc.jsonValue());
    fc.assert(
      fc.property(
        fc.array(body, { minLength: 1, maxLength: 3 }),
        fc.array(body, { minLength: 1, maxLength: 2 }),
        (bodies, ofTrace) => {
          const trace = mergeTrace(
            "t",
            ofTrace.map((one, index) => event("trace-create", index, one)),
          );
          const { span } = observationSpan(
            "x",
            bodies.map((one, index) => event("span-update", index, one)),
            "t",
            trace,
          );
          for (const made of [span, traceSpan(trace, 0)]) {
            expect(validatePayload(JSON.stringify(made)).reason).toBeUndefined();
          }
        },
      ),
    );
  });
});

test("a batch: every event has a span that answers for it", () => {
  const events = [
    event("trace-create", 0, { id: "with-io", input: 1 }),
    event("trace-create", 0, { id: "empty" }),
    event("trace-create", 0, { id: "plain", userId: "u" }),
    event("span-create", 1, { id: "a", traceId: "plain" }),
    event("span-create", 1, { id: "b", traceId: "with-io" }),
    event("span-update", 2, { id: "a", output: 1 }),
  ];
  const { spans, spanOf } = mergeBatch(events);
  expect(spans).toHaveLength(4);
  expect(spanOf.map((index) => spans[index]?.spanId)).toEqual([
    traceSpanIdOf(traceIdOf("with-io")),
    traceSpanIdOf(traceIdOf("empty")),
    spanIdOf("a"),
    spanIdOf("a"),
    spanIdOf("b"),
    spanIdOf("a"),
  ]);
  expect(spans.find(({ spanId }) => spanId === spanIdOf("a"))?.trace).toMatchObject({ userId: "u" });
});

test.each([
  [{ transport: "ingestion", version: "2.95.1", major: 2 }, true],
  [{ transport: "otlp", version: "3.174.3", major: 3 }, true],
  [{ transport: "otlp", version: "4.16.0", major: 4 }, false],
  [{ transport: "otlp" }, false],
] as const)("%j takes events: %s", (server, isTaken) => {
  expect(takesEvents(server)).toBe(isTaken);
});

test("kinds of events", () => {
  expect(eventKind("agent-update")).toEqual({ about: "observation", type: "agent", isUpdate: true });
  expect(eventKind("constructor")).toBeUndefined();
  expect(eventKind(7)).toBeUndefined();
});
