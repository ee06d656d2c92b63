import { expect, test, vi } from "vitest";
import { Journal } from "../../src/buffer/journal.ts";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { Outcomes } from "../../src/workers/outcomes.ts";
import { good, makeBench, numbered } from "./sender-bench.ts";

test("several acknowledgements and what the ring holds are one transaction", () => {
  const bench = makeBench(good, { batchSize: 10 });
  bench.push(...numbered(40));
  const batches = [1, 2, 3].map(() => bench.store.takeLive(10, 1_000_000));
  const together = vi.spyOn(bench.journal, "together");
  for (const runs of batches) bench.store.outcomes.acknowledge(runs);
  expect(bench.store.counters).toMatchObject({ acknowledged: 0, pending: 40 });
  expect(bench.store.outcomes.isAllRecorded).toBe(false);
  bench.offer(...numbered(5, 40));
  bench.store.takeFrom(bench.rings, false);
  expect(together).toHaveBeenCalledTimes(1);
  expect(bench.store.counters).toMatchObject({ taken: 45, acknowledged: 30, pending: 15 });
  expect(bench.journal.count).toBe(15);
  expect(bench.store.outcomes.isAllRecorded).toBe(true);
});

test("neighbouring batches are removed as one range", () => {
  const journal = new Journal(":memory:");
  const run = new SpanRun(
    journal.nextIds(100),
    0,
    PackedPayloads.of(numbered(100).map((text) => Buffer.from(text))),
    true,
  );
  journal.insert([run]);
  const outcomes = new Outcomes();
  for (const from of [0, 20, 40, 80]) outcomes.acknowledge([run.slice(from, from + 20)]);
  const remove = vi.spyOn(journal, "remove");
  outcomes.write(journal, 2 ** 30);
  expect(remove.mock.calls).toEqual([
    [1, 60],
    [81, 100],
  ]);
  expect(journal.count).toBe(20);
  journal.close();
});

test("outcomes that the disk refuses are kept and recorded later, before anything new is written", async () => {
  const bench = makeBench(good, { batchSize: 10 });
  bench.push(...numbered(30));
  const refusal = vi.spyOn(bench.journal, "remove").mockImplementation(() => {
    throw new Error("disk full");
  });
  await bench.settle();
  expect(bench.requests.length).toBe(3);
  expect(bench.store.counters).toMatchObject({ acknowledged: 0, pending: 30 });
  expect(bench.store.hold.isDiskResting).toBe(true);
  // Langfuse away: what is new stays in the ring, which outlives the pump.
  bench.offer(...numbered(1, 30));
  bench.store.takeFrom(bench.rings, true);
  expect(bench.store.counters.taken).toBe(30);
  // Nothing that was acknowledged is sent again meanwhile.
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests.length).toBe(3);
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  // Still refused.
  bench.store.takeFrom(bench.rings, true);
  expect(bench.store.counters.taken).toBe(30);
  refusal.mockRestore();
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  bench.store.takeFrom(bench.rings, false);
  expect(bench.store.counters).toMatchObject({ taken: 31, acknowledged: 30, pending: 1 });
  expect(bench.journal.count).toBe(1);
});

test("an insert that fails takes no acknowledgement with it", async () => {
  const bench = makeBench(good, { batchSize: 10 });
  bench.push(...numbered(10));
  bench.store.outcomes.acknowledge(bench.store.takeLive(10, 1_000_000));
  const refusal = vi.spyOn(bench.journal, "insert").mockImplementation(() => {
    throw new Error("disk full");
  });
  bench.offer(...numbered(5, 10));
  bench.store.takeFrom(bench.rings, false);
  expect(bench.store.counters).toMatchObject({ taken: 10, acknowledged: 0, pending: 10 });
  expect(bench.journal.count).toBe(10);
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  // The room that the acknowledged spans held may be just what the new ones want.
  bench.store.takeFrom(bench.rings, false);
  expect(bench.store.counters).toMatchObject({ taken: 10, acknowledged: 10, pending: 0 });
  expect(bench.journal.count).toBe(0);
  refusal.mockRestore();
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  bench.store.takeFrom(bench.rings, false);
  expect(bench.store.counters).toMatchObject({ taken: 15, acknowledged: 10, pending: 5 });
});

test("outcomes that pile up in front of a disk that refuses them are bounded in bytes: nothing more is handed out", () => {
  const bench = makeBench(good, { maxMemoryBytes: 80_000 });
  const letter = "x".repeat(1_000);
  bench.push(...Array.from({ length: 10 }, () => letter));
  const runs = bench.store.takeLive(10, 1_000_000);
  expect(bench.store.outcomes.isFull).toBe(false);
  vi.spyOn(bench.journal, "bury").mockImplementation(() => {
    throw new Error("disk full");
  });
  bench.store.outcomes.bury(runs, 400, "refused");
  expect(bench.store.outcomes.record()).toBe(false);
  expect(bench.store.outcomes.isFull).toBe(true);
  vi.restoreAllMocks();
  vi.spyOn(bench.store.hold, "isDiskResting", "get").mockReturnValue(false);
  expect(bench.store.outcomes.record()).toBe(true);
  expect(bench.store.outcomes.isFull).toBe(false);
  expect(bench.store.counters).toMatchObject({ deadLettered: 10, pending: 0 });
});

test("a letter holds its own payload alone, not the memory of all that came with it", () => {
  const journal = new Journal(":memory:");
  const packed = PackedPayloads.of(numbered(100).map((text) => Buffer.from(text)));
  const run = new SpanRun(journal.nextIds(100), 0, packed, true);
  journal.insert([run]);
  const outcomes = new Outcomes();
  outcomes.acknowledge([run.slice(0, 50), run.slice(51)]);
  outcomes.bury([run.slice(50, 51)], 400, "refused");
  expect(packed.bytes.buffer.byteLength).toBe(0);
  outcomes.write(journal, 1_000_000);
  expect(outcomes.clear()).toMatchObject({ acknowledged: 99, deadLettered: 1 });
  expect(outcomes.bytes).toBe(0);
  journal.close();
});

test("a disk that refuses: Langfuse gets the spans from memory; once the disk is well, those that wait are in the journal", async () => {
  const bench = makeBench(good, { batchSize: 10, maxQueueSize: 100 });
  const refusal = vi.spyOn(bench.journal, "insert").mockImplementation(() => {
    throw new Error("disk full");
  });
  bench.offer(...numbered(150));
  // One refused write, then no more than the live lane holds.
  for (let round = 0; round < 3; round++) bench.store.takeFrom(bench.rings, false);
  expect(bench.store.counters).toMatchObject({ taken: 100, pending: 100 });
  expect(bench.store.window.count).toBe(100);
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests.flat().sort()).toEqual(numbered(100).sort());
  bench.store.takeFrom(bench.rings, false);
  // What has come of the first hundred is recorded when the disk is well.
  expect(bench.store.counters).toMatchObject({ taken: 150, acknowledged: 0, pending: 150 });
  expect(bench.store.isJournallingDue).toBe(false);
  expect(bench.store.unkept(bench.sender.handedOut())).toBe(50);
  refusal.mockRestore();
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  bench.store.takeFrom(bench.rings, false);
  expect(bench.store.isJournallingDue).toBe(true);
  bench.store.journalAll(bench.sender.handedOut());
  expect(bench.journal.count).toBe(50);
  expect(bench.store.unkept(bench.sender.handedOut())).toBe(0);
  await bench.settle();
  bench.store.outcomes.record();
  expect(bench.store.counters).toMatchObject({ acknowledged: 150, pending: 0 });
  expect(bench.journal.count).toBe(0);
});

test("a disk that refuses takes no span out of the ring that is larger than the room in memory", () => {
  const bench = makeBench(good, { maxQueueSize: 100, maxMemoryBytes: 80_000 });
  vi.spyOn(bench.journal, "insert").mockImplementation(() => {
    throw new Error("disk full");
  });
  bench.offer("small", "x".repeat(20_000), "behind it");
  for (let round = 0; round < 3; round++) bench.store.takeFrom(bench.rings, false);
  expect(bench.store.counters.taken).toBe(1);
  expect(bench.rings.isEmpty()).toBe(false);
});
