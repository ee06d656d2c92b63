import { expect, test } from "vitest";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { batchOf, halve, halveByBytes, moveOut, spansOf } from "../../src/workers/batch.ts";
import { good, makeBench, numbered } from "./sender-bench.ts";

function runOf(texts: readonly string[]): SpanRun {
  return new SpanRun(1, 0, PackedPayloads.of(texts.map((text) => Buffer.from(text))), true);
}

test("spans that rest do not hold the memory of those beside them that are done", () => {
  const run = runOf(numbered(1_000));
  const memory = run.bytes.buffer as ArrayBuffer;
  const spans = spansOf(batchOf([run]));
  const [moved] = moveOut(spans.slice(7, 8));
  expect(memory.detached).toBe(false);
  for (const [index, span] of spans.entries()) if (index !== 7) span.release();
  expect(memory.detached).toBe(true);
  expect(String(moved?.payload(0))).toBe("span 7");
  expect(moved).toMatchObject({ firstId: 8, lastId: 8, isJournalled: true });
});

test("halves have all spans, in order, and are as equal as can be", () => {
  for (const count of [2, 3, 100, 101]) {
    const halves = halve(batchOf([runOf(numbered(count))]));
    expect(halves.flatMap((half) => spansOf(half).map((span) => String(span.payload(0))))).toEqual(numbered(count));
    expect(Math.abs(halves[0].count - halves[1].count)).toBeLessThanOrEqual(1);
  }
  const [first, second] = halveByBytes(batchOf([runOf(["x".repeat(900), ...numbered(100)])]));
  expect([first.count, second.count]).toEqual([1, 100]);
});

/** Requests until every span is settled, with poison spread evenly. */
async function requestsFor(count: number, poisonCount: number): Promise<number> {
  const poison = new Set(
    Array.from({ length: poisonCount }, (_, index) => `span ${Math.floor(((index + 0.5) * count) / poisonCount)}`),
  );
  const bench = makeBench(
    (texts) =>
      texts.some((text) => poison.has(text)) ? { verdict: "rejected", status: 400 } : { verdict: "acknowledged" },
    { batchSize: count, maxQueueSize: count },
  );
  bench.push(...numbered(count));
  await bench.settle();
  expect(bench.store.counters).toMatchObject({
    acknowledged: count - poison.size,
    deadLettered: poison.size,
    pending: 0,
  });
  return bench.requests.length;
}

test.each([100, 1_000, 5_000])(
  "of %i spans in a batch, k poison ones cost at most 2k log2 n + 1 requests",
  async (count) => {
    for (const poisonCount of [1, 2, 10, count - 1]) {
      const bound = Math.min(2 * poisonCount * Math.ceil(Math.log2(count)), 2 * count) + 1;
      expect(await requestsFor(count, poisonCount)).toBeLessThanOrEqual(bound);
    }
  },
);

test("a batch without poison is one request", async () => {
  const bench = makeBench(good, { batchSize: 100 });
  bench.push(...numbered(100));
  await bench.settle();
  expect(bench.requests.length).toBe(1);
});
