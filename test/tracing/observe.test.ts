import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { activeSpan, observe as observeByDefault, observed, type ObserveOptions } from "../../src/index.ts";
import { type ObservedFunction, observedWith, observeWith } from "../../src/tracing/observe.ts";
import { bufferFor, standIn } from "../support/buffers.ts";
import { makeTracer, type TracerBench } from "./make-tracer.ts";

function withObserve(): TracerBench & { observe: <Fn extends ObservedFunction>(fn: Fn, options?: ObserveOptions) => Fn } {
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
  const answer = observe(async (question: { text: string }) => {
    await pause(5);
    activeSpan()?.update({ model: "gpt-4.1" });
    return question.text.toUpperCase();
  }, { name: "answer", type: "generation" });
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
  const throws = observe(() => {
    throw error;
  }, { name: "throws" });
  expect(throws).toThrow(error);
  await expect(observe(async () => throws(), { name: "rejects" })()).rejects.toBe(error);
  for (const name of ["throws", "rejects"]) {
    expect(named(name)).toMatchObject({ status: { code: 2, message: "too far" } });
    expect(named(name)).not.toHaveProperty("output");
  }
});

test("input and output can be left out or transformed; a transform that throws harms nothing", () => {
  const { observe, named } = withObserve();
  expect(observe((_secret: string) => "secret", { name: "silent", captureInput: false, captureOutput: false })("x")).toBe(
    "secret",
  );
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
  const { buffer } = { buffer: bufferFor("http://127.0.0.1:9", { enabled: false }) };
  expect(() => buffer.observe(fn, options)).toThrow(message);
});

test("@observed on methods: public, static, private, async and generators", async () => {
  const { tracer, named, spans } = makeTracer();
  const traced = (options?: ObserveOptions) => observedWith(() => tracer, options);
  class Bot {
    readonly #greeting = "hello ";

    @traced({ type: "tool" })
    greet(name: string): string {
      return this.#greeting + name;
    }

    @traced({ name: "think" })
    async ponder(): Promise<number> {
      return this.#guess();
    }

    @traced()
    #guess(): number {
      return 42;
    }

    @traced()
    static create(): Bot {
      return new Bot();
    }

    @traced()
    *count(): Generator<string> {
      yield "one ";
      yield "two";
    }
  }
  const bot = Bot.create();
  expect(bot.greet("you")).toBe("hello you");
  expect(await bot.ponder()).toBe(42);
  expect([...bot.count()]).toEqual(["one ", "two"]);
  expect(named("greet")).toMatchObject({ type: "tool", input: "you", output: "hello you" });
  expect(named("#guess").parentSpanId).toBe(named("think").spanId);
  expect(named("count").output).toBe("one two");
  expect(spans.map(({ name }) => name)).toEqual(["create", "greet", "#guess", "think", "count"]);
});

test("@observed as a compiler applies it, by calls; and a clear word in the old form", () => {
  const { tracer, named } = makeTracer();
  const decorator = observedWith(() => tracer);
  const context = { kind: "method", name: "greet", static: false, private: false } as ClassMethodDecoratorContext;
  const greet = decorator(function (this: { greeting: string }) {
    return this.greeting;
  }, context);
  expect(greet.call({ greeting: "hello" })).toBe("hello");
  expect(named("greet").output).toBe("hello");
  const oldForm = decorator as unknown as (target: object, key: string, descriptor: object) => void;
  expect(() => oldForm({}, "greet", {})).toThrow(/TC39.*experimentalDecorators.*observe\(fn\)/);
});

test("observe and @observed of the package: the active span's buffer, else the first living one, else untraced", async () => {
  const untraced = observeByDefault(() => activeSpan(), { name: "untraced" });
  class Bot {
    @observed()
    answer(): string {
      return "42";
    }
  }
  expect(untraced()).toBeUndefined();
  const server = await standIn();
  const first = bufferFor(server.url);
  const second = bufferFor(server.url);
  new Bot().answer();
  expect([first.stats().accepted, second.stats().accepted]).toEqual([1, 0]);
  second.startActiveSpan("in second", () => new Bot().answer());
  expect([first.stats().accepted, second.stats().accepted]).toEqual([1, 2]);
  await first.shutdown();
  new Bot().answer();
  expect(second.stats().accepted).toBe(3);
});

test("with tracing off functions are what they were, and active spans are none", () => {
  const buffer = bufferFor("http://127.0.0.1:9", { enabled: false });
  const fn = (): number => 7;
  expect(buffer.observe(fn)).toBe(fn);
  expect(buffer.startActiveSpan("none", (span) => span.traceId)).toBe("0".repeat(32));
  expect(buffer.startActiveSpan("none", {}, () => activeSpan())).toBeUndefined();
  expect(buffer.score({ name: "quality", value: 1, sessionId: "s" })).toBe(false);
  expect(buffer.startSpan("none").addLink(buffer.startSpan("none")).updateTrace({}).score({ name: "n", value: 1 }).inject({})).toEqual({});
});
