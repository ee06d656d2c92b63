import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Journal } from "../../src/buffer/journal.ts";
import { type AttachedStats, attach, type SpanBuffer, type SpanBufferHandle } from "../../src/index.ts";
import { type AttachedBot, startAttachedBot } from "../support/attached-bots.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Looks at the account, as often as the event loop lets it, until the test ends. */
function watchAccount(buffer: SpanBuffer): () => number[] {
  const gaps: number[] = [];
  const timer = setInterval(() => gaps.push(missingFromAccount(buffer.stats())), 3);
  onTestFinished(() => clearInterval(timer));
  return () => {
    expect(gaps.length).toBeGreaterThan(5);
    return gaps.filter((gap) => gap !== 0);
  };
}

function storedOf(server: Awaited<ReturnType<typeof standIn>>): number {
  return server.account().spans;
}

test("spans of several threads and of the buffer's own are stored once each, and counted together", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const gaps = watchAccount(buffer);
  const bots = Array.from({ length: 4 }, () => startAttachedBot(buffer, "slowly", 50));
  endSpans(buffer, 500);
  await Promise.all(bots.map(({ gone }) => gone));
  expect(bots.map(({ ended }) => ended())).toEqual([1_000, 1_000, 1_000, 1_000]);
  expect(await buffer.flush({ timeoutMs: 20_000 })).toEqual({
    acknowledged: 4_500,
    pending: 0,
    deadLettered: 0,
    dropped: 0,
    timedOut: false,
  });
  expect(server.account()).toMatchObject({ spans: 4_500, twice: 0 });
  expect(buffer.stats()).toMatchObject({ accepted: 4_500, acknowledged: 4_500, pending: 0, ringBytes: 0 });
  expect(gaps()).toEqual([]);
});

test("a tree goes across threads: trace and parent by their ids, children as anywhere", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { environment: "staging" });
  const root = buffer.startSpan("root");
  // In this very thread too: a library may not know where it runs.
  const attached = attach(buffer.handle());
  const child = attached.startSpan("child", { traceId: root.traceId, parentSpanId: root.spanId });
  child.startSpan("grandchild", { input: { question: "?" } }).end();
  child.end();
  child.end();
  root.end();
  const now = BigInt(Date.now()) * 1_000_000n;
  const times = { startTimeUnixNano: now, endTimeUnixNano: now };
  expect(attached.enqueue({ traceId: root.traceId, spanId: "00f067aa0ba902b7", name: "finished", ...times })).toBe(
    true,
  );
  expect(await attached.flush({ timeoutMs: 20_000 })).toEqual({ timedOut: false, waiting: 0 });
  const spans = server.spans();
  expect(spans.map(({ traceId }) => traceId)).toEqual(Array.from({ length: 4 }, () => root.traceId));
  const byName = new Map(spans.map((span) => [span.name, span]));
  expect(byName.get("child")?.parentObservationId).toBe(root.spanId);
  expect(byName.get("grandchild")?.parentObservationId).toBe(child.spanId);
  expect(JSON.stringify(byName.get("grandchild"))).toContain("staging");
  expect(attached.stats()).toMatchObject({ accepted: 3, committed: 3, waiting: 0, endedTwice: 1, truncated: 0 });
});

test("active spans and observed functions are as in the buffer's own thread", async () => {
  const server = await standIn();
  const attached = attach(bufferFor(server.url).handle());
  const tool = attached.observe((question: string) => `${question}!`, { name: "tool" });
  expect(attached.startActiveSpan("turn", () => tool("why"))).toBe("why!");
  expect(await attached.flush({ timeoutMs: 20_000 })).toEqual({ timedOut: false, waiting: 0 });
  const byName = new Map(server.spans().map((span) => [span.name, span]));
  expect(byName.get("tool")?.parentObservationId).toBe(byName.get("turn")?.id);
  expect(byName.get("tool")).toMatchObject({ input: "why", output: "why!" });
});

test("flush() of a thread waits until its spans are stored, and of the buffer for those of the threads", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { flushInterval: 25, batchSize: 1_000 });
  const bot = startAttachedBot(buffer, "flush", 300);
  const [answer] = (await once(bot.worker, "message")) as [{ timedOut: boolean; stats: AttachedStats }];
  expect(answer).toMatchObject({ timedOut: false, stats: { accepted: 300, committed: 300, waiting: 0 } });
  expect(storedOf(server)).toBe(300);
  const waiting = startAttachedBot(buffer, "wait", 300);
  await once(waiting.worker, "message");
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 600, timedOut: false });
  expect(storedOf(server)).toBe(600);
});

test("a flush with Langfuse away ends at its time limit, and leaves the spans in the journal", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const buffer = bufferFor(server.url);
  const attached = attach(buffer.handle());
  attached.startSpan("span").end();
  expect(await attached.flush({ timeoutMs: 300 })).toMatchObject({ timedOut: true });
  await until(() => buffer.stats().journalSpans === 1);
  expect(attached.stats()).toMatchObject({ committed: 1, waiting: 0 });
});

test.each([
  ["returns", "end"],
  ["throws", "throw"],
  ["calls process.exit()", "exit"],
] as const)("a thread that %s at once leaves all its spans, also those beside its ring", async (_name, way) => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { maxSpanBytes: 2_000 });
  // 4 MB: several times the ring.
  const bots = [1, 2].map(() => startAttachedBot(buffer, way, 4_000, 1_000));
  await Promise.all(bots.map(({ gone }) => gone));
  const result = await buffer.flush({ timeoutMs: 25_000 });
  expect(result).toMatchObject({ acknowledged: 8_000, pending: 0, dropped: 0, timedOut: false });
  expect(server.account()).toMatchObject({ spans: 8_000, twice: 0 });
});

test("threads that are terminated in the midst of their spans lose none that was in the ring, and block nobody", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const gaps = watchAccount(buffer);
  for (let round = 0; round < 3; round++) {
    const bots = [1, 2].map(() => startAttachedBot(buffer, "slowly", 10_000));
    await until(() => bots.every(({ ended }) => ended() > 100 * (round + 1)));
    await Promise.all(bots.map(({ worker }) => worker.terminate()));
    const before = buffer.stats().dropped["thread-ended"];
    endSpans(buffer, 10);
    expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ pending: 0, timedOut: false });
    const stored = (bot: AttachedBot): number => server.spans().filter(({ name }) => name === bot.name).length;
    for (const bot of bots) {
      // The one that it was at may be there or not.
      expect(stored(bot)).toBeGreaterThanOrEqual(bot.ended());
      expect(stored(bot)).toBeLessThanOrEqual(bot.ended() + 1);
    }
    expect(buffer.stats().dropped["thread-ended"] - before).toBeLessThanOrEqual(2);
  }
  expect(server.account().twice).toBe(0);
  expect(gaps()).toEqual([]);
});

test("threads that are terminated while they write leave whole spans, and an account without a gap", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { maxSpanBytes: 20_000, batchSize: 1_000 });
  const gaps = watchAccount(buffer);
  let ended = 0;
  for (let round = 0; round < 4; round++) {
    // Large spans, so that the end mostly comes in the middle of a frame.
    const bots = [1, 2].map(() => startAttachedBot(buffer, "forever", 0, 10_000));
    await until(() => bots.every((bot) => bot.ended() > 50));
    await Promise.all(bots.map(({ worker }) => worker.terminate()));
    for (const bot of bots) ended += bot.ended();
  }
  expect(await buffer.flush({ timeoutMs: 25_000 })).toMatchObject({ pending: 0, timedOut: false });
  const { accepted, acknowledged, dropped } = buffer.stats();
  // At most one more of each thread than have returned.
  expect(accepted).toBeGreaterThanOrEqual(ended);
  expect(accepted).toBeLessThanOrEqual(ended + 8);
  expect(acknowledged + dropped["thread-ended"] + dropped["memory-full"]).toBe(accepted);
  expect(dropped.damaged).toBe(0);
  expect(server.account()).toMatchObject({ spans: acknowledged, twice: 0 });
  expect(gaps()).toEqual([]);
}, 60_000);

test("what a terminated thread held beside its ring is lost, and counted as that", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { maxSpanBytes: 2_000 });
  const gaps = watchAccount(buffer);
  // It never comes back to its event loop, so what did not fit into the ring (about 700 of these) stays beside it.
  const bot = startAttachedBot(buffer, "beside-forever", 3_000, 1_000);
  await until(() => bot.isDone());
  await until(() => buffer.stats().ringBytes === 0);
  const ended = bot.ended();
  await bot.worker.terminate();
  await until(() => buffer.stats().dropped["thread-ended"] > 0);
  await buffer.flush({ timeoutMs: 20_000 });
  const { accepted, acknowledged, pending, dropped } = buffer.stats();
  expect({ accepted, pending }).toEqual({ accepted: ended, pending: 0 });
  expect(acknowledged + dropped["thread-ended"]).toBe(ended);
  expect(acknowledged).toBeGreaterThan(500);
  expect(storedOf(server)).toBe(acknowledged);
  expect(gaps()).toEqual([]);
});

test("a thread that blocks its event loop keeps nobody else's spans from being delivered", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const blocked = startAttachedBot(buffer, "burst-forever", 10);
  await until(() => blocked.ended() === 10);
  const bot = startAttachedBot(buffer, "end", 200);
  await bot.gone;
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 210, timedOut: false });
  expect(await buffer.shutdown({ timeoutMs: 10_000 })).toMatchObject({ pending: 0, timedOut: false });
});

test("beyond its own memory a thread drops, counted, and the buffer's own thread does not notice", async () => {
  const server = await standIn();
  // An eighth of it is a thread's.
  const buffer = bufferFor(server.url, { maxSpanBytes: 2_000, maxMemoryBytes: 16 * 1024 * 1024 });
  const bot = startAttachedBot(buffer, "forever", 0, 1_000);
  await until(() => buffer.stats().dropped["memory-full"] > 100);
  expect(bot.ended()).toBeGreaterThan(100);
  const mine = endSpans(buffer, 100, "mine");
  expect(missingFromAccount(buffer.stats())).toBe(0);
  await until(() => mine.every((id) => server.ids()[id] !== undefined));
});

test("shutdown() delivers what threads have handed over; what they end later is dropped and counted", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const bot = startAttachedBot(buffer, "wait", 50);
  await once(bot.worker, "message");
  expect(await buffer.shutdown({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 50, pending: 0, dropped: 0 });
  bot.worker.postMessage("more");
  const [stats] = (await once(bot.worker, "message")) as [AttachedStats];
  expect(stats).toMatchObject({ accepted: 100, committed: 50, dropped: { "shut-down": 50 } });
  expect(buffer.stats().dropped["shut-down"]).toBe(50);
  expect(missingFromAccount(buffer.stats())).toBe(0);
  // Whoever comes now finds the buffer shut.
  const late = attach(buffer.handle());
  late.startSpan("late").end();
  expect(late.stats()).toMatchObject({ accepted: 1, dropped: { "shut-down": 1 } });
  expect(await late.flush({ timeoutMs: 5_000 })).toMatchObject({ timedOut: true });
  await late.detach();
  expect(storedOf(server)).toBe(50);
});

function listeners(): number {
  return process.listenerCount("exit") + process.listenerCount("workerMessage");
}

test("many short-lived threads leave nothing behind: no ring, no row, no file, no listener", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  for (const durability of ["journal", "strict"] as const) {
    const buffer = bufferFor(server.url, { directory, durability });
    buffer.handle();
    const before = listeners();
    const count = durability === "journal" ? 1_000 : 100;
    for (let index = 0; index < count; index++) {
      const attached = attach(buffer.handle());
      attached.startSpan(durability).end();
      await attached.detach();
    }
    expect(listeners()).toBe(before);
    expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: count, dropped: 0 });
    // The buffer's own log alone: a segment, its lock, and word of the journal.
    const crashFiles = (): string[] => readdirSync(directory).filter((name) => name.startsWith("crash-"));
    await until(() => crashFiles().length === (durability === "strict" ? 3 : 0));
    await buffer.shutdown({ timeoutMs: 5_000 });
    expect(process.listenerCount("workerMessage")).toBe(0);
    const journal = new Journal(join(directory, "journal-1.sqlite"));
    expect(journal.meta.ringIds()).toHaveLength(1);
    journal.close();
  }
  expect(server.account()).toMatchObject({ spans: 1_100, twice: 0 });
}, 60_000);

test("the memory of forgotten rings is given back, although the garbage collector does not count it", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const ringBytes = 2 * 1024 * 1024;
  const before = process.memoryUsage().arrayBuffers;
  const count = 400;
  for (let index = 0; index < count; index++) {
    const attached = attach(buffer.handle());
    attached.startSpan("span").end();
    await attached.detach();
    // As fast as the pump lets go of them, which threads are not.
    if (index % 10 === 0) await buffer.flush({ timeoutMs: 20_000 });
  }
  await buffer.flush({ timeoutMs: 20_000 });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan((count * ringBytes) / 2);
}, 60_000);

test("durability strict: a thread's spans are in a log of its own before end() returns, and the log goes with the thread", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const buffer = bufferFor(server.url, { directory, durability: "strict" });
  const bot = startAttachedBot(buffer, "wait", 100);
  await once(bot.worker, "message");
  const logs = (): string[] => readdirSync(directory).filter((name) => /^crash-.*\.log$/.test(name));
  expect(logs()).toHaveLength(2);
  await bot.worker.terminate();
  await until(() => logs().length === 1);
  expect(await buffer.shutdown({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 100, pending: 0 });
  expect(logs()).toEqual([]);
  const next = bufferFor(server.url, { directory, durability: "strict" });
  await next.flush({ timeoutMs: 10_000 });
  expect(next.stats().recovered).toBe(0);
  expect(server.account()).toMatchObject({ spans: 100, twice: 0 });
});

test("with tracing off a handle is accepted, and nothing happens", async () => {
  const buffer = bufferFor("http://127.0.0.1:1", { enabled: false });
  const attached = attach(buffer.handle());
  attached.startSpan("span").end();
  expect(attached.enqueue({} as never)).toBe(false);
  expect(await attached.flush()).toEqual({ timedOut: false, waiting: 0 });
  expect(attached.stats().accepted).toBe(0);
  await attached.detach();
});

test("a handle holds no secret", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { secretKey: "sk-lf-very-secret", durability: "strict" });
  expect(JSON.stringify(buffer.handle())).not.toContain("sk-lf");
});

test.each([
  ["nothing", undefined, "given undefined: it takes what buffer.handle() returns"],
  ["a buffer", {}, "given a object that is no handle"],
  [
    "one of another version",
    { kind: "langfuse-span-buffer handle", version: 9 },
    "both threads must load the same version",
  ],
])("attach() given %s says what it wants", (_name, handle, message) => {
  expect(() => attach(handle as unknown as SpanBufferHandle)).toThrow(message);
});

test("a handle that was sent to another process is refused, with what to do there", async () => {
  const server = await standIn();
  const handle = JSON.parse(JSON.stringify(bufferFor(server.url).handle())) as SpanBufferHandle;
  expect(() => attach(handle)).toThrow("a child process makes a SpanBuffer of its own, on the same directory");
});

test.each([
  ["sampling", { sampleRate: 0.5, sampling: { keep: ["errors"] } }],
  ["shouldExportSpan", { shouldExportSpan: () => true }],
] as const)("with %s there is no handle: an attached thread would not heed it", async (name, options) => {
  const server = await standIn();
  const buffer = bufferFor(server.url, options);
  expect(() => buffer.handle()).toThrow(`handle() does not go with ${name}`);
});
