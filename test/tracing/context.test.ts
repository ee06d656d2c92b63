import { EventEmitter, once } from "node:events";
import { Readable, Transform } from "node:stream";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { activeSpan, type SpanReference, withSpan } from "../../src/index.ts";
import { type ContextBridge, setContextBridge } from "../../src/tracing/context.ts";
import { noopSpan } from "../../src/tracing/noop-span.ts";
import { runActive } from "../../src/tracing/run-active.ts";
import type { BufferedSpan, StartSpanOptions } from "../../src/tracing/span-fields.ts";
import type { Tracer } from "../../src/tracing/tracer.ts";
import { collectGarbage } from "../support/collect-garbage.ts";
import { makeTracer } from "./make-tracer.ts";

function active<T>(tracer: Tracer, name: string, fn: (span: BufferedSpan) => T, options?: StartSpanOptions): T {
  return runActive(tracer.startSpan(name, options), fn);
}

test("a span that is started without a parent hangs under the active one, and nothing is active afterwards", () => {
  const { tracer, named } = makeTracer();
  const result = active(tracer, "outer", (outer) => {
    expect(activeSpan()).toBe(outer);
    return active(tracer, "inner", () => {
      tracer.startSpan("innermost").end();
      return 7;
    });
  });
  expect(result).toBe(7);
  expect(activeSpan()).toBeUndefined();
  expect(named("inner").parentSpanId).toBe(named("outer").spanId);
  expect(named("innermost").parentSpanId).toBe(named("inner").spanId);
  expect(named("innermost").traceId).toBe(named("outer").traceId);
  tracer.startSpan("after").end();
  expect(named("after").parentSpanId).toBeUndefined();
});

test("the context goes through await, timers, microtasks, event emitters and streams", async () => {
  const { tracer, spans, named } = makeTracer();
  const emitter = new EventEmitter();
  const mark = (name: string): void => tracer.startSpan(name).end();
  await active(tracer, "turn", async () => {
    await pause(1);
    mark("after a timer");
    await turn();
    mark("after setImmediate");
    await new Promise<void>((resolve) => {
      process.nextTick(() => {
        mark("nextTick");
        queueMicrotask(() => {
          mark("microtask");
          setTimeout(() => {
            mark("in a timer");
            resolve();
          }, 1);
        });
      });
    });
    emitter.on("word", () => mark("event"));
    emitter.emit("word");
    const stream = Readable.from(["a", "b"]).pipe(
      new Transform({
        transform(chunk, _encoding, done) {
          mark("stream");
          done(null, chunk);
        },
      }),
    );
    stream.resume();
    await once(stream, "end");
    for await (const _ of Readable.from([1, 2])) mark("for await");
  });
  expect(spans.length).toBe(11);
  const children = spans.filter(({ name }) => name !== "turn");
  expect(new Set(children.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([named("turn").spanId]));
});

test("10,000 conversations at once, of 20 awaits each: no span under a wrong parent", {
  timeout: 120_000,
}, async () => {
  const parents = new Map<string, string | undefined>();
  const traces = new Map<string, string>();
  const sink = {
    offer: ({ name, traceId, parentSpanId }: { name: string; traceId: string; parentSpanId?: string }): boolean => {
      parents.set(name, parentSpanId);
      traces.set(name, traceId);
      return true;
    },
    maxSpanBytes: 1_000_000,
    sampleOut: () => false,
  };
  const { tracer } = makeTracer({ sink });
  const ids = new Map<string, string>();
  const waits = [
    turn,
    () => Promise.resolve(),
    () => pause(1),
    () => new Promise<void>((done) => process.nextTick(done)),
  ];
  const conversation = (number: number): Promise<void> =>
    active(tracer, `${number}`, async (root) => {
      ids.set(`${number}`, root.spanId);
      for (let step = 0; step < 20; step++) {
        await active(tracer, `${number}/${step}`, async (span) => {
          ids.set(`${number}/${step}`, span.spanId);
          await (waits[(number + step) % waits.length] as () => Promise<void>)();
          tracer.startSpan(`${number}/${step}/leaf`).end();
        });
      }
    });
  await Promise.all(Array.from({ length: 10_000 }, (_, number) => conversation(number)));
  let wrong = 0;
  for (const [name, parentSpanId] of parents) {
    const path = name.split("/");
    const expected = path.length === 1 ? undefined : ids.get(path.slice(0, -1).join("/"));
    if (parentSpanId !== expected || traces.get(name) !== traces.get(path[0] as string)) wrong++;
  }
  expect(parents.size).toBe(10_000 * 41);
  expect(new Set(traces.values()).size).toBe(10_000);
  expect(wrong).toBe(0);
});

test("what is thrown or rejected is recorded with status error, and passed on as it is", async () => {
  const { tracer, spans, named } = makeTracer();
  const error = new TypeError("no weather");
  const throwing = (): never => {
    throw error;
  };
  expect(() => active(tracer, "throws", throwing)).toThrow(error);
  await expect(active(tracer, "rejects", async () => throwing())).rejects.toBe(error);
  for (const name of ["throws", "rejects"]) {
    expect(named(name)).toMatchObject({
      status: { code: 2, message: "no weather" },
      events: [{ name: "exception", attributes: { "exception.type": "TypeError", "exception.message": "no weather" } }],
    });
  }
  const hostile = new Error("x");
  Object.defineProperty(hostile, "message", {
    get() {
      throw new Error("no message");
    },
  });
  expect(() =>
    active(tracer, "hostile", () => {
      throw hostile;
    }),
  ).toThrow(Error);
  await expect(active(tracer, "nothing", () => Promise.reject(undefined))).rejects.toBeUndefined();
  expect(spans.length).toBe(4);
});

test("the span lasts as long as the promise; other thenables are waited for too", async () => {
  const { tracer, spans, named } = makeTracer();
  const promise = active(tracer, "promise", () => pause(20, "value"));
  expect(spans).toEqual([]);
  expect(await promise).toBe("value");
  const { startTimeUnixNano, endTimeUnixNano } = named("promise");
  expect(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)).toBeGreaterThan(10_000_000n);
  // oxlint-disable-next-line unicorn/no-thenable -- as query builders are
  const thenable = { then: (resolve: (value: string) => void) => setTimeout(() => resolve("late"), 1) };
  expect(await active(tracer, "thenable", () => thenable)).toBe("late");
  expect(named("thenable").status).toBeUndefined();
});

test("a rejection that nobody handles stays one", async () => {
  const { tracer } = makeTracer();
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  try {
    const unhandled = once(process, "unhandledRejection");
    void active(tracer, "unheard", async () => {
      throw new Error("unheard");
    });
    expect((await unhandled)[0]).toMatchObject({ message: "unheard" });
  } finally {
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
});

test("a function may end its span itself", async () => {
  const { tracer, spans } = makeTracer();
  active(tracer, "sync", (span) => span.end());
  await active(tracer, "async", async (span) => span.end());
  expect(() =>
    active(tracer, "failing", (span) => {
      span.end();
      throw new Error("after");
    }),
  ).toThrow("after");
  expect(spans.length).toBe(3);
  expect(tracer.endedTwice).toBe(0);
});

test("parent: null, a span, or a reference; and ids say where a span belongs without asking the context", () => {
  const { tracer, named } = makeTracer();
  const elsewhere = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
  const other = tracer.startSpan("other", { sessionId: "s" });
  active(tracer, "active", () => {
    tracer.startSpan("root", { parent: null }).end();
    tracer.startSpan("under other", { parent: other }).end();
    tracer.startSpan("under reference", { parent: elsewhere }).end();
    tracer.startSpan("by ids", { traceId: elsewhere.traceId, parentSpanId: elsewhere.spanId }).end();
    tracer.startSpan("by trace", { traceId: elsewhere.traceId }).end();
  });
  other.end();
  expect(named("root")).not.toHaveProperty("parentSpanId");
  expect(named("root")).not.toHaveProperty("attributes");
  expect(named("root").traceId).not.toBe(named("active").traceId);
  expect(named("under other")).toMatchObject({ parentSpanId: other.spanId, trace: { sessionId: "s" } });
  for (const name of ["under reference", "by ids"]) {
    expect(named(name)).toMatchObject({ traceId: elsewhere.traceId, parentSpanId: elsewhere.spanId });
  }
  expect(named("by trace").parentSpanId).toBeUndefined();
});

test("withSpan makes a span active, and does not end it", () => {
  const { tracer, spans, named } = makeTracer();
  const span = tracer.startSpan("span");
  expect(withSpan(span, () => tracer.startSpan("child")).traceId).toBe(span.traceId);
  expect(spans).toEqual([]);
  withSpan(span, () => withSpan(noopSpan, () => tracer.startSpan("past a span that is none").end()));
  expect(named("past a span that is none").parentSpanId).toBe(span.spanId);
});

test("two buffers, active at once: each sees its own span, never the other's", () => {
  const [one, two] = [makeTracer(), makeTracer()];
  active(one.tracer, "one", () => {
    two.tracer.startSpan("two, alone").end();
    active(two.tracer, "two", () => {
      one.tracer.startSpan("under one").end();
      active(one.tracer, "one again", () => two.tracer.startSpan("under two").end());
    });
    two.tracer.startSpan("given", { parent: activeSpan() as BufferedSpan }).end();
  });
  expect(two.named("two, alone").parentSpanId).toBeUndefined();
  expect(two.named("two").parentSpanId).toBeUndefined();
  expect(one.named("under one").parentSpanId).toBe(one.named("one").spanId);
  expect(two.named("under two").parentSpanId).toBe(two.named("two").spanId);
  expect(two.named("given")).not.toHaveProperty("parentSpanId");
});

test("a timer that starts itself again from its own context keeps nothing of the contexts before it", async () => {
  const tracers = [makeTracer().tracer, makeTracer().tracer];
  const ticks: WeakRef<BufferedSpan>[] = [];
  const stillThere = await new Promise<number>((resolve) => {
    const tick = (): void =>
      active(tracers[ticks.length % 2] as Tracer, "tick", (span) => {
        ticks.push(new WeakRef(span));
        setTimeout(() => {
          if (ticks.length < 40) return tick();
          collectGarbage();
          resolve(ticks.filter((reference) => reference.deref() !== undefined).length);
        }, 0);
      });
    tick();
  });
  // Of each buffer the latest, and what the engine itself has at hand.
  expect(stillThere).toBeLessThan(8);
});

afterEach(() => setContextBridge(undefined));

/** Another tracer's context: a variable, which is enough for what is not asynchronous. */
function otherTracer(): ContextBridge & { current: SpanReference | undefined } {
  const other = {
    current: undefined as SpanReference | undefined,
    activeParent: () => other.current,
    run<T>(span: BufferedSpan, fn: () => T): T {
      const before = other.current;
      other.current = { traceId: span.traceId, spanId: span.spanId };
      try {
        return fn();
      } finally {
        other.current = before;
      }
    },
  };
  return other;
}

test("a joined tracer's span is the parent where it is the innermost, and ours where ours is", () => {
  const { tracer, named } = makeTracer();
  const other = otherTracer();
  setContextBridge(other);
  const theirs = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceState: "a=1" };
  other.current = theirs;
  active(
    tracer,
    "under theirs",
    (span) => {
      expect(other.current).toEqual({ traceId: span.traceId, spanId: span.spanId });
      tracer.startSpan("under ours").end();
      other.current = { traceId: span.traceId, spanId: "00f067aa0ba902b7" };
      tracer.startSpan("under theirs, which is under ours").end();
    },
    { sessionId: "s" },
  );
  expect(other.current).toBe(theirs);
  const { traceId } = theirs;
  expect(named("under theirs")).toMatchObject({ traceId, parentSpanId: theirs.spanId, traceState: "a=1" });
  expect(named("under ours")).toMatchObject({ traceId, parentSpanId: named("under theirs").spanId });
  expect(named("under theirs, which is under ours")).toMatchObject({
    traceId,
    parentSpanId: "00f067aa0ba902b7",
    trace: { sessionId: "s" },
  });
});

test("a joined tracer that shows one buffer's span is no way to another buffer, and one that throws harms nothing", () => {
  const [one, two] = [makeTracer(), makeTracer()];
  const other = otherTracer();
  setContextBridge(other);
  active(one.tracer, "one", () => two.tracer.startSpan("two").end());
  expect(two.named("two")).not.toHaveProperty("parentSpanId");
  setContextBridge({
    activeParent: () => {
      throw new Error("no parent");
    },
    run: (_span, fn) => fn(),
  });
  one.tracer.startSpan("despite it").end();
  expect(one.named("despite it").attributes).toEqual({ "span_buffer.unreadable": "Error: no parent" });
});
