import { once } from "node:events";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { activeSpan, type ObserveOptions } from "../../src/index.ts";
import { type ObservedFunction, observeWith } from "../../src/tracing/observe.ts";
import { StreamedOutput } from "../../src/tracing/streamed-output.ts";
import { collectGarbage } from "../support/collect-garbage.ts";
import { makeTracer, type TracerBench } from "./make-tracer.ts";

function withObserve(): TracerBench & {
  observe: <Fn extends ObservedFunction>(fn: Fn, options?: ObserveOptions) => Fn;
} {
  const bench = makeTracer();
  return { ...bench, observe: (fn, options) => observeWith(() => bench.tracer, fn, options) };
}

async function* words(...parts: string[]): AsyncGenerator<string, string> {
  for (const part of parts) {
    await turn();
    yield part;
  }
  return "end";
}

async function read(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const chunks: unknown[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test("an async generator: text, time of the first chunk, end and return value; nothing is read ahead", async () => {
  const { observe, spans, named } = withObserve();
  const steps: string[] = [];
  const answer = observe(
    async function* answer(question: string) {
      await pause(10);
      steps.push("first");
      yield "Twelve ";
      await pause(10);
      steps.push("second");
      yield "degrees.";
      return question;
    },
    { type: "generation" },
  );
  const stream = answer("Weather?");
  await pause(5);
  expect([steps, spans]).toEqual([[], []]);
  expect(await stream.next()).toEqual({ done: false, value: "Twelve " });
  expect(steps).toEqual(["first"]);
  expect(await stream.next()).toEqual({ done: false, value: "degrees." });
  expect(spans).toEqual([]);
  expect(await stream.next()).toEqual({ done: true, value: "Weather?" });
  expect(await stream.next()).toEqual({ done: true, value: undefined });
  expect(spans.length).toBe(1);
  const span = named("answer");
  expect(span).toMatchObject({ type: "generation", input: "Weather?", output: "Twelve degrees." });
  const first = Date.parse(span.completionStartTime as string);
  expect(first).toBeGreaterThan(Number(BigInt(span.startTimeUnixNano) / 1_000_000n));
  expect(first).toBeLessThan(Number(BigInt(span.endTimeUnixNano) / 1_000_000n));
});

test("the context is active inside the body at every step, whoever asks for it, and not in the reader", async () => {
  const { observe, tracer, spans, named } = withObserve();
  const body = observe(async function* body() {
    for (let step = 0; step < 3; step++) {
      tracer.startSpan("before await").end();
      await pause(1);
      tracer.startSpan("after await").end();
      yield step;
    }
  });
  const stream = body();
  const reader = tracer.startSpan("reader");
  const seen: unknown[] = [];
  for await (const step of stream) seen.push([step, activeSpan()]);
  reader.end();
  expect(seen).toEqual([0, 1, 2].map((step) => [step, undefined]));
  const children = spans.filter(({ name }) => name.endsWith("await"));
  expect(children.length).toBe(6);
  expect(new Set(children.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([named("body").spanId]));
});

test("a sync generator: the same", () => {
  const { observe, tracer, named } = withObserve();
  const count = observe(function* count(upTo: number): Generator<string, number, string> {
    let said = "";
    for (let number = 1; number <= upTo; number++) {
      tracer.startSpan(`step ${number}`).end();
      said = yield `${number},`;
    }
    return said.length;
  });
  const stream = count(2);
  expect(stream.next()).toEqual({ done: false, value: "1," });
  expect(stream.next("x")).toEqual({ done: false, value: "2," });
  expect(stream.next("four")).toEqual({ done: true, value: 4 });
  expect(named("count")).toMatchObject({ input: 2, output: "1,2," });
  expect(named("step 2").parentSpanId).toBe(named("count").spanId);
  expect(typeof (count(3) as unknown as { take?: unknown }).take).toBe("function");
});

test.each<[string, (observe: TracerBench & ReturnType<typeof withObserve>) => AsyncIterable<string>]>([
  ["an async generator", ({ observe }) => observe(words, { name: "stream", captureInput: false })("a", "b", "c")],
  [
    "an async iterable",
    ({ observe }) => observe(() => ({ [Symbol.asyncIterator]: () => words("a", "b", "c") }), { name: "stream" })(),
  ],
  [
    "a ReadableStream",
    ({ observe }) => observe(() => ReadableStream.from(["a", "b", "c"]), { name: "stream" })() as AsyncIterable<string>,
  ],
])("%s that is left early ends its span with what was heard, and is closed", async (_name, open) => {
  const bench = withObserve();
  for await (const part of open(bench)) if (part === "b") break;
  expect(bench.named("stream").output).toBe("ab");
  expect(bench.named("stream").status).toBeUndefined();
  expect(bench.spans.length).toBe(1);
});

test("leaving early runs the generator's finally, in its context", async () => {
  const { observe, tracer, named } = withObserve();
  const stream = observe(async function* body() {
    try {
      yield "a";
      yield "b";
    } finally {
      await turn();
      tracer.startSpan("closed").end();
    }
  })();
  for await (const _ of stream) break;
  expect(named("closed").parentSpanId).toBe(named("body").spanId);
  const never = observe(words, { name: "never begun" })("a");
  await never.return("done");
  expect(named("never begun")).not.toHaveProperty("output");
});

test("an error ends the span with what came before it", async () => {
  const { observe, spans, named } = withObserve();
  const error = new Error("connection lost");
  const broken = observe(async function* broken() {
    yield "so far";
    throw error;
  });
  await expect(read(broken())).rejects.toBe(error);
  expect(named("broken")).toMatchObject({ output: "so far", status: { code: 2, message: "connection lost" } });
  const readable = observe(() => ReadableStream.from(broken()), { name: "readable" });
  await expect(read(readable() as AsyncIterable<unknown>)).rejects.toBe(error);
  expect(named("readable")).toMatchObject({ output: "so far", status: { code: 2 } });
  const thrower = observe(words, { name: "thrown into" })("a", "b");
  await thrower.next();
  await expect(thrower.throw(error)).rejects.toBe(error);
  expect(named("thrown into").status).toMatchObject({ code: 2 });
  expect(spans.length).toBe(4);
});

test("a promise of a stream, as the SDKs of models return it; the object stays what it is", async () => {
  const { observe, named } = withObserve();
  const active = new Set<string | undefined>();
  class Stream {
    readonly #parts = ["a", "b"];
    controller = new AbortController();
    get size(): number {
      return this.#parts.length;
    }
    abort(): string {
      return this.#parts.join("");
    }
    async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
      active.add(activeSpan()?.spanId);
      yield { choices: [{ delta: { role: "assistant", content: "" } }] };
      for (const content of this.#parts) yield { choices: [{ delta: { content } }] };
      yield { choices: [], usage: { total_tokens: 3 } };
    }
  }
  const create = observe(async () => new Stream(), { name: "create", type: "generation" });
  const stream = await create();
  expect(stream).toBeInstanceOf(Stream);
  expect([stream.size, stream.abort(), stream.controller.signal.aborted]).toEqual([2, "ab", false]);
  expect((await read(stream)).length).toBe(4);
  expect(named("create").output).toBe("ab");
  expect(active).toEqual(new Set([named("create").spanId]));
  expect((await read(stream)).length).toBe(4);
});

test.each<[string, unknown[], unknown]>([
  [
    "Anthropic",
    [{ type: "message_start" }, { type: "content_block_delta", delta: { text: "a" } }, { type: "message_stop" }],
    "a",
  ],
  ["OpenAI responses", [{ type: "response.created" }, { type: "response.output_text.delta", delta: "a" }], "a"],
  [
    "AI SDK",
    [{ type: "start" }, { type: "text-delta", text: "a" }, { type: "text-delta", delta: "b" }, { type: "finish" }],
    "ab",
  ],
  ["text", [{ text: "a" }, { text: "b" }], "ab"],
  ["bytes", [new Uint8Array([0xe2, 0x82]), new Uint8Array([0xac])], "€"],
  ["objects", [{ page: 1 }, { page: 2 }], [{ page: 1 }, { page: 2 }]],
  [
    "many objects",
    Array.from({ length: 103 }, (_, page) => ({ page })),
    expect.arrayContaining([{ page: 99 }, "[3 more chunks]"]),
  ],
])("what the chunks of %s become", async (_name, chunks, output) => {
  const { observe, named } = withObserve();
  const stream = observe(async function* stream() {
    yield* chunks;
  });
  await read(stream());
  expect(named("stream").output).toEqual(output);
});

function token(chunk: unknown): unknown {
  return (chunk as { token?: string }).token;
}

function noTransform(): never {
  throw new Error("no transform");
}

test("a transform picks the text of a chunk; chunks before the first text do not start the completion", async () => {
  const { observe, named } = withObserve();
  const stream = observe(
    async function* stream() {
      yield {};
      await pause(20);
      yield { token: "a" };
      yield { token: "b" };
    },
    { transform: token },
  );
  await read(stream());
  const { output, completionStartTime, startTimeUnixNano } = named("stream");
  expect(output).toBe("ab");
  const waitedMs = Date.parse(completionStartTime as string) - Number(BigInt(startTimeUnixNano) / 1_000_000n);
  expect(waitedMs).toBeGreaterThanOrEqual(15);
});

test("a transform that throws, and captureOutput: false, leave the stream alone", async () => {
  const { observe, named } = withObserve();
  expect(await read(observe(words, { name: "throwing", transform: noTransform })("a", "b"))).toEqual(["a", "b"]);
  expect(named("throwing").attributes).toEqual({ "span_buffer.capture_error": "Error: no transform" });
  await read(observe(words, { name: "silent", captureOutput: false })("a"));
  expect(named("silent")).not.toHaveProperty("output");
  expect(named("silent").completionStartTime).toMatch(/Z$/);
});

test("the joined text is bounded in bytes, at a whole character, however large one chunk is", async () => {
  const { observe, named } = withObserve();
  await read(observe(words, { name: "long", maxOutputBytes: 10 })(...Array.from({ length: 100 }, () => "€")));
  expect(named("long").output).toBe("€€€[cut to 10 bytes]");
  await read(observe(words, { name: "one", maxOutputBytes: 10 })("x".repeat(1_000_000)));
  expect(named("one").output).toBe("xxxxxxxxxx[cut to 10 bytes]");
});

test("of a text that is too long no more is kept while it streams", () => {
  const output = new StreamedOutput(1_000, undefined);
  const chunkBytes = 1_000_000;
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let chunk = 0; chunk < 100; chunk++) output.add(Buffer.alloc(chunkBytes, 97 + (chunk % 26)).toString("latin1"));
  collectGarbage();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(10 * chunkBytes);
  expect((output.value() as string).length).toBe("a".repeat(1_000).length + "[cut to 1000 bytes]".length);
});

test("a ReadableStream stays one, with back pressure and cancel", async () => {
  const { observe, named } = withObserve();
  let pulled = 0;
  let cancelled: unknown;
  const source = (): ReadableStream<string> =>
    new ReadableStream(
      {
        pull(controller) {
          controller.enqueue(`${pulled++},`);
        },
        cancel(reason) {
          cancelled = reason;
        },
      },
      { highWaterMark: 0 },
    );
  const stream = observe(source, { name: "source" })();
  expect(stream).toBeInstanceOf(ReadableStream);
  await turn();
  expect(pulled).toBe(0);
  const reader = stream.getReader();
  expect((await reader.read()).value).toBe("0,");
  await reader.cancel("enough");
  expect(cancelled).toBe("enough");
  expect(named("source").output).toBe("0,");
});

test("one of Node's streams is handed on untouched, and its span ends with it", async () => {
  const { observe, named } = withObserve();
  const original = Readable.from(["a", "b"]);
  const stream = observe(() => original, { name: "node" })();
  expect(stream).toBe(original);
  stream.resume();
  await once(stream, "close");
  expect(named("node").status).toBeUndefined();
  const failing = observe(() => new Readable({ read() {} }), { name: "failing" })();
  const failed = once(failing, "error").catch((error: unknown) => error);
  failing.destroy(new Error("reset"));
  await failed.catch(() => undefined);
  await pause(1);
  expect(named("failing").status).toMatchObject({ code: 2, message: "reset" });
});

/** An event of a streamed answer, as OpenAI's API sends it. */
const event = Buffer.from(
  `data: ${JSON.stringify({
    id: "chatcmpl-9lMgfRSWPHcw51s6wxKT1YEO2CKpd",
    object: "chat.completion.chunk",
    created: 1_721_075_653,
    model: "gpt-4.1-2025-04-14",
    service_tier: "default",
    system_fingerprint: "fp_c9aa9c0491",
    choices: [{ index: 0, delta: { content: " degrees" }, logprobs: null, finish_reason: null }],
  })}\n\n`,
);

/** The body of a response whose events come one by one, each in a turn of the event loop. */
function body(events: number): ReadableStream<Uint8Array> {
  let left = events;
  return new ReadableStream(
    {
      async pull(controller) {
        await turn();
        if (left-- > 0) controller.enqueue(event);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The least that a model's SDK does for a chunk: read, decode, find the events, parse. */
async function* streamedAnswer(events: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of body(events)) {
    text += decoder.decode(bytes, { stream: true });
    const found = text.split("\n\n");
    text = found.pop() as string;
    for (const data of found) {
      const { choices } = JSON.parse(data.slice("data: ".length)) as { choices: [{ delta: { content: string } }] };
      yield choices[0].delta.content;
    }
  }
}

function quick(slices: number[]): number {
  return slices.toSorted((a, b) => a - b)[slices.length / 20] as number;
}

test("an answer of 100,000 chunks: observe adds at most 5% to its time", { timeout: 120_000 }, async () => {
  const { tracer, named } = makeTracer();
  const streams = {
    plain: streamedAnswer(100_000),
    observed: observeWith(() => tracer, streamedAnswer, { type: "generation" })(100_000),
  };
  const slicesMs: Record<keyof typeof streams, number[]> = { plain: [], observed: [] };
  // In slices that take turns, of which the quicker ones count: a neighbour on the machine can only make a slice slower.
  const chunksInSlice = 100;
  for (let slice = 0; slice < 1_000; slice++) {
    for (const name of slice % 2 === 0 ? (["plain", "observed"] as const) : (["observed", "plain"] as const)) {
      const startMs = performance.now();
      for (let chunk = 0; chunk < chunksInSlice; chunk++) await streams[name].next();
      slicesMs[name].push(performance.now() - startMs);
    }
  }
  for (const name of ["plain", "observed"] as const) expect((await streams[name].next()).done).toBe(true);
  expect((named("streamedAnswer").output as string).length).toBe(800_000);
  expect(quick(slicesMs.observed) / quick(slicesMs.plain)).toBeLessThan(1.05);
});
