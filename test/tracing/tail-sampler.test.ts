import { describe, expect, test, vi } from "vitest";
import type { TakenSpan } from "../../src/buffer/intake.ts";
import { serialise } from "../../src/buffer/serialise.ts";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { isSampled } from "../../src/tracing/ids.ts";
import type { SamplingRule } from "../../src/tracing/sampling-rules.ts";
import { type HoldingSink, TailSampler, type TailSamplerOptions } from "../../src/tracing/tail-sampler.ts";

class Sink implements HoldingSink {
  readonly names: string[] = [];
  sampledOut = 0;
  readonly maxSpanBytes = 10_000;

  offer(payload: SpanPayload): boolean {
    this.names.push(payload.name);
    return true;
  }

  sampleOut(): boolean {
    this.sampledOut++;
    return false;
  }

  take(payload: SpanPayload): TakenSpan {
    return { ...serialise(payload, 10_000), constants: undefined };
  }

  offerTaken({ text }: TakenSpan): boolean {
    return this.offer(JSON.parse(text) as SpanPayload);
  }
}

/** A trace outside the sample at any rate below 1, and one inside at any above 0. */
const outside = (number = 0): string => `${String(number).padStart(24, "0")}ffffffff`;
const inside = "0af7651916cd43dd8448eb2100000000";
let spanNumber = 0;

function span(name: string, traceId: string, fields: Partial<SpanPayload> = {}): SpanPayload {
  return {
    traceId,
    spanId: String(++spanNumber).padStart(16, "0"),
    parentSpanId: "b7ad6b7169203331",
    name,
    startTimeUnixNano: "1793520000000000000",
    endTimeUnixNano: "1793520001000000000",
    ...fields,
  };
}

/** Without a parent. */
function root(name: string, traceId: string, fields: Partial<SpanPayload> = {}): SpanPayload {
  const { parentSpanId: _, ...rest } = span(name, traceId, fields);
  return rest;
}

function sampler(keep: readonly SamplingRule[], options: Partial<TailSamplerOptions> = {}): [TailSampler, Sink] {
  const sink = new Sink();
  return [new TailSampler(sink, { sampleRate: 0.5, keep, ...options }), sink];
}

describe("which rule keeps a trace", () => {
  test.each<[string, SamplingRule, Partial<SpanPayload>, boolean]>([
    ["an error by level", "errors", { level: "ERROR" }, true],
    ["an error by status", "errors", { status: { code: 2 } }, true],
    ["an error by attribute", "errors", { attributes: { "langfuse.observation.level": "ERROR" } }, true],
    ["a warning", "errors", { level: "WARNING" }, false],
    ["as long as that", { minDurationMs: 1_000 }, {}, true],
    ["shorter", { minDurationMs: 1_001 }, {}, false],
    ["long, of that name", { minDurationMs: 500, name: "turn" }, { name: "turn" }, true],
    ["long, of another name", { minDurationMs: 500, name: "turn" }, { name: "llm" }, false],
    ["the user", { userId: "ann" }, { trace: { userId: "ann" } }, true],
    ["one of the users", { userId: ["bob", "ann"] }, { attributes: { "user.id": "ann" } }, true],
    [
      "the user in OTLP's form",
      { userId: "ann" },
      { attributes: [{ key: "user.id", value: { stringValue: "ann" } }] },
      true,
    ],
    ["another user", { userId: "ann" }, { trace: { userId: "bob" } }, false],
  ])("%s", (_, rule, fields, isKept) => {
    const [sampling, sink] = sampler([rule]);
    sampling.offer(span("first", outside(), { endTimeUnixNano: "1793520000000000001" }), undefined);
    sampling.offer(span("second", outside(), fields), undefined);
    sampling.offer(root("root", outside(), { endTimeUnixNano: "1793520000000000001" }), undefined);
    sampling.close();
    expect(sink.names).toEqual(isKept ? ["first", fields.name ?? "second", "root"] : []);
    expect(sink.sampledOut).toBe(isKept ? 0 : 3);
  });
});

test("whole traces only, whatever comes when: 2,000 traces with spans in any order", () => {
  const [sampling, sink] = sampler(["errors"], { sampleRate: 0.3 });
  const traces = Array.from({ length: 2_000 }, (_, index) => ({
    id: `${String(index).padStart(24, "0")}${((index * 2_654_435_761) >>> 0).toString(16).padStart(8, "0")}`,
    hasError: index % 7 === 0,
  }));
  // Four spans each, the error at another place each time, all traces at once.
  for (let place = 0; place < 4; place++) {
    for (const [index, { id, hasError }] of traces.entries()) {
      const fields: Partial<SpanPayload> = hasError && place === index % 4 ? { level: "ERROR" } : {};
      sampling.offer(place === 3 ? root(id, id, fields) : span(id, id, fields), undefined);
    }
  }
  sampling.close();
  const counts = Map.groupBy(sink.names, (name) => name);
  for (const { id, hasError } of traces) {
    expect(counts.get(id)?.length ?? 0).toBe(hasError || isSampled(id, 0.3) ? 4 : 0);
  }
  expect(sink.names.length + sink.sampledOut).toBe(8_000);
  expect(sampling.count).toBe(0);
});

test("a trace of the sample waits for nothing", () => {
  const [sampling, sink] = sampler(["errors"]);
  sampling.offer(span("a", inside), undefined);
  expect([sink.names, sampling.count]).toEqual([["a"], 0]);
});

test("the values are those of the end, not of the decision", () => {
  const [sampling, sink] = sampler(["errors"]);
  const early = span("before", outside());
  sampling.offer(early, undefined);
  early.name = "after";
  sampling.offer(span("error", outside(), { level: "ERROR" }), undefined);
  expect(sink.names).toEqual(["before", "error"]);
});

test("decided a moment after its root has ended, and after waitMs without a root; late spans follow what was decided", () => {
  vi.useFakeTimers();
  try {
    const [sampling, sink] = sampler(["errors"], { waitMs: 10_000 });
    sampling.offer(root("root", outside(1)), undefined);
    sampling.offer(span("orphan", outside(2)), undefined);
    vi.advanceTimersByTime(900);
    // A child that ends behind its root still counts.
    sampling.offer(root("other root", outside(3)), undefined);
    sampling.offer(span("late error", outside(3), { level: "ERROR" }), undefined);
    expect(sink.names).toEqual(["other root", "late error"]);
    vi.advanceTimersByTime(700);
    expect([sampling.count, sink.sampledOut]).toEqual([1, 1]);
    sampling.offer(span("too late", outside(1), { level: "ERROR" }), undefined);
    expect(sink.sampledOut).toBe(2);
    vi.advanceTimersByTime(10_000);
    expect([sampling.count, sink.sampledOut]).toEqual([0, 3]);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test("memory is bounded: the oldest undecided traces go first, whole", () => {
  const [sampling, sink] = sampler(["errors"], { maxBytes: 100_000 });
  for (let number = 0; number < 1_000; number++) {
    sampling.offer(span(`a ${number}`, outside(number), { input: "x".repeat(400) }), undefined);
  }
  const waiting = sampling.count;
  expect(waiting).toBeGreaterThan(20);
  expect(waiting * 800).toBeLessThan(100_000);
  expect(sink.sampledOut).toBe(1_000 - waiting);
  sampling.offer(span("error", outside(999), { level: "ERROR" }), undefined);
  sampling.offer(span("error", outside(0), { level: "ERROR" }), undefined);
  expect(sink.names).toEqual(["a 999", "error"]);
});

test("a span whose rules cannot be read, or without a trace, breaks nothing", () => {
  const [sampling, sink] = sampler([{ userId: "ann" }]);
  const odd = span("odd", outside());
  Object.defineProperty(odd, "trace", {
    enumerable: true,
    get() {
      throw new Error("no");
    },
  });
  sampling.offer(odd, undefined);
  sampling.offer({ ...span("none", ""), traceId: undefined } as unknown as SpanPayload, undefined);
  expect([sampling.count, sink.names]).toEqual([1, ["none"]]);
});
