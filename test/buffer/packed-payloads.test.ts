import { expect, test } from "vitest";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { good, makeBench, numbered } from "../workers/sender-bench.ts";

const texts = ["a", "bcd", "", "ef"];

function runOf(strings: readonly string[]): { run: SpanRun; packed: PackedPayloads } {
  const packed = PackedPayloads.of(strings.map((text) => Buffer.from(text)));
  return { run: new SpanRun(10, 5, packed, false), packed };
}

test("slices have the payloads and the ids of their part", () => {
  const { run } = runOf(texts);
  expect(run).toMatchObject({ firstId: 10, lastId: 13, count: 4, byteLength: 6 });
  const middle = run.slice(1, 3);
  expect(middle).toMatchObject({ firstId: 11, lastId: 12, count: 2, byteLength: 3 });
  expect(middle.bytes.toString()).toBe("bcd");
  expect(middle.slice(1).payload(0).toString()).toBe("");
  expect(run.slice(3).payload(0).toString()).toBe("ef");
});

test.each([
  [10, 6, 4],
  [10, 5, 3],
  [10, 4, 3],
  [10, 3, 1],
  [10, 0, 0],
  [2, 100, 2],
  [0, 100, 0],
])("of 1, 3, 0 and 2 bytes, at most %i spans and %i bytes: %i fit", (maxSpans, maxBytes, fitting) => {
  expect(runOf(texts).run.fitting(maxSpans, maxBytes)).toBe(fitting);
});

test("memory is given back with the last payload, not before", () => {
  const { run, packed } = runOf(texts);
  run.slice(0, 2).release();
  run.slice(3).release();
  expect([...packed].map(String)).toEqual(texts);
  run.slice(2, 3).release();
  expect(packed.bytes.length).toBe(0);
});

test("what leaves the memory, by whatever way, gives its memory back", async () => {
  const bench = makeBench(
    (sent) => (sent.includes("span 0") ? { verdict: "rejected", reason: "bad" } : { verdict: "acknowledged" }),
    { batchSize: 10, maxQueueSize: 50, exportConcurrency: 1 },
  );
  const takes: PackedPayloads[] = [];
  const ring = bench.rings.lead;
  const take = ring.take.bind(ring);
  ring.take = (...limits) => {
    const taken = take(...limits);
    takes.push(taken.payloads);
    return taken;
  };
  // The first part goes, all but the last fifty of the second becomes backfill.
  bench.push(...numbered(30));
  await bench.settle();
  bench.push(...numbered(200, 30));
  await bench.settle();
  bench.store.outcomes.record();
  expect(bench.store.counters).toMatchObject({ acknowledged: 229, deadLettered: 1, pending: 0 });
  expect(takes.map(({ bytes }) => bytes.length)).toEqual([0, 0]);
});

test("small payloads are given back alone: they share no memory with others", () => {
  const bench = makeBench(good);
  const others = Array.from({ length: 50 }, (_, index) => Buffer.from(`other ${index}`));
  bench.push("a", "b");
  const runs = bench.store.takeLive(2, 1_000);
  bench.store.outcomes.acknowledge(runs);
  expect(others.map(String)).toEqual(Array.from({ length: 50 }, (_, index) => `other ${index}`));
});
