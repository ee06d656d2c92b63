import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { activeSpan, type ObserveOptions } from "../../src/index.ts";
import { type ObservedFunction, observeWith } from "../../src/tracing/observe.ts";
import { bufferFor } from "../support/buffers.ts";
import { makeTracer, type TracerBench } from "./make-tracer.ts";

function withObserve(): TracerBench & {
  observe: <Fn extends ObservedFunction>(fn: Fn, options?: ObserveOptions) => Fn;
} {
  const bench = makeTracer();
  return { ...bench, observe: (fn, options) => observeWith(() => bench.tracer, fn, options) };
}

test("a sync function: name, type, arguments, result, duration; children hang under it", () => {
  const { observe, tracer, named } = withObserve();
  function search(query: string, limit: number): string[] {
    tracer.startSpan("index").end();
    return [query.repeat(limit)];
  }
  const observedSearch = observe(search, { type: "retriever" });
  expect(observedSearch("a", 2)).toEqual(["aa"]);
  expect([observedSearch.name, observedSearch.length]).toEqual(["search", 2]);
  expect(named("search")).toMatchObject({ type: "retriever", input: ["a", 2], output: ["aa"] });
  expect(named("index").parentSpanId).toBe(named("search").spanId);
});

test("an async function: one argument is the input itself, the span ends with the promise", async () => {
  const { observe, spans, named } = withObserve();
  const answer = observe(
    async (question: { text: string }) => {
      await pause(5);
      activeSpan()?.update({ model: "gpt-4.1" });
      return question.text.toUpperCase();
    },
    { name: "answer", type: "generation" },
  );
  const promise = answer({ text: "hi" });
  expect(spans).toEqual([]);
  expect(await promise).toBe("HI");
  expect(named("answer")).toMatchObject({ type: "generation", input: { text: "hi" }, output: "HI", model: "gpt-4.1" });
});

test("this, new values and errors come through", async () => {
  const { observe, named } = withObserve();
  const counter = {
    count: 1,
    add: observe(function add(this: { count: number }, amount: number) {
      this.count += amount;
      return this.count;
    }),
  };
  expect(counter.add(2)).toBe(3);
  const error = new RangeError("too far");
  const throws = observe(
    () => {
      throw error;
    },
    { name: "throws" },
  );
  expect(throws).toThrow(error);
  await expect(observe(async () => throws(), { name: "rejects" })()).rejects.toBe(error);
  for (const name of ["throws", "rejects"]) {
    expect(named(name)).toMatchObject({ status: { code: 2, message: "too far" } });
    expect(named(name)).not.toHaveProperty("output");
  }
});

test("input and output can be left out or transformed; a transform that throws harms nothing", () => {
  const { observe, named } = withObserve();
  expect(
    observe((_secret: string) => "secret", { name: "silent", captureInput: false, captureOutput: false })("x"),
  ).toBe("secret");
  expect(named("silent")).not.toHaveProperty("input");
  expect(named("silent")).not.toHaveProperty("output");
  const size = { name: "size", transform: (value: unknown) => (value as string[]).length };
  expect(observe(() => ["a", "b"], size)()).toEqual(["a", "b"]);
  expect(named("size").output).toBe(2);
  const broken = {
    name: "broken",
    transform: () => {
      throw new Error("no transform");
    },
  };
  expect(observe(() => 1, broken)()).toBe(1);
  expect(named("broken").attributes).toEqual({ "span_buffer.capture_error": "Error: no transform" });
});

test("lists, maps and sets are results, not streams", () => {
  const { observe, named } = withObserve();
  const map = new Map([["a", 1]]);
  expect(observe(() => map, { name: "map" })()).toBe(map);
  const list = [1, 2];
  expect(observe(() => list, { name: "list" })()).toBe(list);
  expect(named("list").output).toEqual([1, 2]);
});

test.each<[string, unknown, RegExp]>([
  ["no function", { fn: 7 }, /observe: number is not allowed: a function/],
  ["an unknown option", { options: { asType: "tool" } }, /unknown option "asType" \(there are name, type,/],
  ["a type that is none", { options: { type: "llm" } }, /option type is not allowed: span, generation,/],
  ["bytes out of range", { options: { maxOutputBytes: 0 } }, /option maxOutputBytes is not allowed: an integer, 1 …/],
])("%s throws at once and says what is allowed", (_name, given, message) => {
  const { fn = () => 1, options } = given as { fn?: ObservedFunction; options?: ObserveOptions };
  expect(() => withObserve().observe(fn, options)).toThrow(message);
  const buffer = bufferFor("http://127.0.0.1:9", { enabled: false });
  expect(() => buffer.observe(fn, options)).toThrow(message);
});

test("with tracing off functions are what they were, and active spans are none", () => {
  const buffer = bufferFor("http://127.0.0.1:9", { enabled: false });
  expect(buffer.observe(withObserve)).toBe(withObserve);
  expect(buffer.startActiveSpan("none", (span) => span.traceId)).toBe("0".repeat(32));
  expect(buffer.startActiveSpan("none", {}, () => activeSpan())).toBeUndefined();
  expect(buffer.score({ name: "quality", value: 1, sessionId: "s" })).toBe(false);
  expect(
    buffer
      .startSpan("none")
      .addLink(buffer.startSpan("none"))
      .updateTrace({})
      .score({ name: "n", value: 1 })
      .inject({}),
  ).toEqual({});
});
