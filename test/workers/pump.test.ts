import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { createCounterMemory, SharedCounters } from "../../src/buffer/counters.ts";
import { Journal } from "../../src/buffer/journal.ts";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RingConsumer } from "../../src/buffer/ring-consumer.ts";
import { RingProducer } from "../../src/buffer/ring-producer.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { Announcer } from "../../src/workers/announcer.ts";
import type { ExportPool } from "../../src/workers/export-pool.ts";
import type { ExportReport, PumpMessage } from "../../src/workers/messages.ts";
import { napMs } from "../../src/workers/nap.ts";
import { Pump } from "../../src/workers/pump.ts";
import { Rings } from "../../src/workers/rings.ts";
import { Sender } from "../../src/workers/sender.ts";
import { OutcomeRecord } from "../../src/workers/outcome-record.ts";
import { Store } from "../../src/workers/store.ts";
import { until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface PumpBench {
  producer: RingProducer;
  counters: SharedCounters;
  journal: Journal;
  /** Requests under way. */
  underWay(): number;
  largest(): number;
  /** Resolves with what is pending when the flush is answered. */
  flush(): Promise<number>;
}

/** @param leftBehind spans of an earlier process; with them there are no keys now. */
function startPump(answerAfterMs: number, maxQueueSize = 10_000, leftBehind = 0): PumpBench {
  const memory = createRingMemory(4 * 1024 * 1024);
  const ring = new RingConsumer(memory);
  ring.claim();
  const journal = new Journal(join(temporaryDirectory(), "journal.sqlite"));
  const left = Array.from({ length: leftBehind }, (_, index) => Buffer.from(`left ${index}`));
  if (leftBehind > 0) journal.insert([new SpanRun(journal.nextIds(leftBehind), 1, PackedPayloads.of(left), false)]);
  const counters = new SharedCounters(createCounterMemory());
  const announcer = new Announcer(() => undefined);
  const setup = {
    isRestart: false,
    durability: "journal" as const,
    maxQueueSize,
    maxDiskBytes: 1024 ** 3,
    maxDeadLetterBytes: 1024 ** 2,
    maxMemoryBytes: 64 * 1024 ** 2,
    overflowPolicy: "drop-oldest" as const,
    destination: leftBehind > 0 ? undefined : { baseUrl: "http://127.0.0.1:1", publicKey: "pk", secretKey: "sk" },
    baseUrl: "http://127.0.0.1:1",
    transport: "otlp" as const,
    sender: "sdk" as const,
    compression: "none" as const,
    batchSize: 10,
    maxBatchBytes: 1_000_000,
    flushIntervalMs: 20,
    exportConcurrency: 4,
    exportTimeoutMs: 1_000,
  };
  const store = new Store(setup, journal, announcer);
  let underWay = 0;
  let largest = 0;
  const pool = {
    async send(): Promise<ExportReport> {
      largest = Math.max(largest, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, answerAfterMs));
      underWay--;
      return { verdict: "acknowledged", truncated: 0, requests: 1, durationMs: 1 };
    },
    destroy: async () => undefined,
  } as unknown as ExportPool;
  const sender = new Sender(setup, store, pool, announcer, () => pump.reported());
  const pump = new Pump({
    rings: new Rings("ring", ring),
    store,
    sender,
    pool,
    counters,
    announcer,
    post: (message) => answer?.(message),
  });
  let answer: ((message: PumpMessage) => void) | undefined;
  const flush = (): Promise<number> =>
    new Promise((resolve) => {
      answer = (message) => {
        if (message.type === "done") resolve(counters.read().pending);
      };
      pump.receive({ type: "flush", id: 7 });
    });
  const ended = pump.run();
  onTestFinished(async () => {
    pump.receive({ type: "close", id: 1, graceMs: 100 });
    await ended;
  });
  const producer = new RingProducer(memory);
  return { producer, counters, journal, flush, underWay: () => underWay, largest: () => largest };
}

test("a caller whose loop is late gets one request at a time, until it is on time again", async () => {
  const bench = startPump(3);
  bench.producer.beat(-50);
  for (let index = 0; index < 400; index++) expect(bench.producer.pushText(`span ${index}`)).toBe(true);
  await until(() => bench.counters.read().acknowledged >= 100);
  expect(bench.largest()).toBe(1);
  bench.producer.rest();
  for (let index = 0; index < 4_000; index++) expect(bench.producer.pushText(`span ${index}`)).toBe(true);
  await until(() => bench.counters.read().acknowledged === 4_400);
  expect(bench.largest()).toBe(4);
  expect(bench.journal.count).toBe(0);
});

test("spans that come one by one while nobody waits are taken, sent and recorded", async () => {
  const bench = startPump(1);
  for (let index = 0; index < 30; index++) {
    expect(bench.producer.pushText(`span ${index}`)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, index % 10 === 0 ? 80 : 2));
    const { taken, acknowledged, pending } = bench.counters.read();
    expect(acknowledged + pending).toBe(taken);
  }
  await until(() => bench.counters.read().acknowledged === 30);
  expect(bench.counters.read()).toMatchObject({ taken: 30, pending: 0, oldestPendingAtMs: 0 });
});

test("a report that comes while the pump sleeps is recorded then, not with the next span", async () => {
  const bench = startPump(300);
  for (let index = 0; index < 30; index++) expect(bench.producer.pushText(`span ${index}`)).toBe(true);
  await until(() => bench.underWay() === 3);
  await until(() => bench.underWay() === 0);
  const recordedBy = performance.now() + 2_000;
  await until(() => bench.counters.read().acknowledged === 30 || performance.now() > recordedBy);
  expect(bench.counters.read()).toMatchObject({ acknowledged: 30, pending: 0 });
});

test("nothing is sent while the outcomes that the disk refuses fill their share of the memory", async () => {
  const isFull = vi.spyOn(OutcomeRecord.prototype, "isFull", "get").mockReturnValue(true);
  const bench = startPump(1);
  for (let index = 0; index < 30; index++) expect(bench.producer.pushText(`span ${index}`)).toBe(true);
  await until(() => bench.counters.read().taken === 30);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(bench.largest()).toBe(0);
  isFull.mockRestore();
  await until(() => bench.counters.read().acknowledged === 30);
});

test("flush waits for the backfill too", async () => {
  const bench = startPump(2, 20);
  for (let index = 0; index < 500; index++) expect(bench.producer.pushText(`span ${index}`)).toBe(true);
  await until(() => bench.counters.read().taken === 500);
  expect(await bench.flush()).toBe(0);
  expect(bench.counters.read()).toMatchObject({ taken: 500, acknowledged: 500 });
});

test("flush is not answered while what an earlier process left cannot be sent", async () => {
  const bench = startPump(0, 20, 100);
  await until(() => bench.counters.read().pending === 100);
  const isAnswered = bench.flush().then(() => true);
  const isOver = new Promise<false>((resolve) => setTimeout(() => resolve(false), 200));
  expect(await Promise.race([isAnswered, isOver])).toBe(false);
});

test("the nap is longer under load and for a late caller, and always leaves time to commit within 20 ms", () => {
  const quiet = napMs(1, false);
  const busy = napMs(500, false);
  const late = napMs(500, true);
  expect(quiet).toBeLessThan(busy);
  expect(busy).toBeLessThan(late);
  expect(late).toBeLessThanOrEqual(15);
});

test("the room of a backlog is given back while spans keep coming", async () => {
  const { journal, producer } = startPump(1);
  const backlog = Array.from({ length: 10_000 }, () => Buffer.alloc(2_000, "span"));
  const run = new SpanRun(journal.nextIds(backlog.length), 1, PackedPayloads.of(backlog), false);
  journal.insert([run]);
  const full = journal.space.fileBytes();
  // One stays, so that the journal is never empty.
  journal.remove(run.firstId, run.lastId - 1);
  let count = 0;
  const coming = setInterval(() => producer.pushText(`span ${count++}`), 5);
  onTestFinished(() => clearInterval(coming));
  await until(() => journal.space.fileBytes() < full / 2);
});
