import { expect, test } from "vitest";
import type { ExportTask } from "../../src/workers/messages.ts";
import { type Answer, good, makeBench, numbered } from "./sender-bench.ts";

const upTo40KB: Answer = (texts) => ({ verdict: texts.join("").length > 40_000 ? "too-large" : "acknowledged" });

const quick = { batchSize: 10, exportConcurrency: 2 };

test("under a backlog batches double up to the byte limit; afterwards they are as before", async () => {
  const bench = makeBench(good, { ...quick, maxBatchBytes: 2_000 });
  bench.push(...numbered(2_000, 10_000));
  await bench.settle();
  const counts = bench.requests.map((texts) => texts.length);
  expect(counts.slice(0, 2)).toEqual([10, 10]);
  // "span 10000" has 10 bytes.
  expect(Math.max(...counts)).toBe(200);
  for (const [index, count] of counts.entries()) {
    if (index > 0) expect(count).toBeLessThanOrEqual(2 * Math.max(...counts.slice(0, index)));
  }
  expect(bench.requests.length).toBeLessThan(40);
  bench.requests.length = 0;
  bench.push(...numbered(20, 20_000));
  await bench.settle();
  expect(bench.requests.map((texts) => texts.length)).toEqual([10, 10]);
});

test("a failure brings batches back to their normal size", async () => {
  let failedLength = 0;
  const bench = makeBench((texts) => {
    if (failedLength > 0 || texts.length < 80) return { verdict: "acknowledged" };
    failedLength = texts.length;
    return { verdict: "retry" };
  }, quick);
  bench.push(...numbered(1_000));
  await bench.settle();
  expect(bench.sender.circuit.state).toBe("backing-off");
  bench.requests.length = 0;
  bench.sender.hurry();
  await bench.settle();
  // The one that failed comes as it was; what follows begins small.
  expect(bench.requests[0]?.length).toBe(failedLength);
  expect(bench.requests[1]?.length).toBeLessThanOrEqual(20);
  expect(bench.store.counters.acknowledged).toBe(1_000);
});

test("all batches under way stay within 8 MiB, however large each may be", async () => {
  let inFlightBytes = 0;
  let largest = 0;
  const bench = makeBench(
    (_, task) => {
      inFlightBytes -= task.payloads.length;
      return { verdict: "acknowledged" };
    },
    { batchSize: 100, exportConcurrency: 8, maxBatchBytes: 3_000_000, maxMemoryBytes: 256 * 1024 ** 2 },
    undefined,
    (task: ExportTask) => {
      inFlightBytes += task.payloads.length;
      largest = Math.max(largest, inFlightBytes);
    },
  );
  for (let round = 0; round < 40; round++) bench.push(...Array.from({ length: 16 }, () => "x".repeat(50_000)));
  await bench.settle();
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.store.counters).toMatchObject({ acknowledged: 640, pending: 0 });
  expect(largest).toBeLessThanOrEqual(8 * 1024 * 1024);
  expect(largest).toBeGreaterThan(4 * 1024 * 1024);
  expect(bench.sender.inFlightBytes).toBe(0);
});

test("a server that finds a batch too large is sent smaller ones from then on", async () => {
  const bench = makeBench(upTo40KB, { batchSize: 100, exportConcurrency: 1 });
  bench.push(...Array.from({ length: 900 }, () => "x".repeat(1_000)));
  bench.sender.isUrgent = true;
  await bench.settle();
  const refused = bench.requests.filter((texts) => texts.join("").length > 40_000).length;
  // The first of 100 KB, its two halves of 50 KB; then nothing of that size is tried again.
  expect(refused).toBe(3);
  expect(bench.store.counters).toMatchObject({ acknowledged: 900, deadLettered: 0 });
});

test("for a caller whose loop is late exports take one slot, in batches of normal size", async () => {
  const underWay: number[] = [];
  const bench = makeBench(
    () => {
      underWay.push(bench.sender.inFlightCount);
      bench.sender.isCallerLate = underWay.length < 20;
      return { verdict: "acknowledged" };
    },
    { batchSize: 10, exportConcurrency: 4 },
  );
  bench.push(...numbered(1_000));
  bench.sender.isCallerLate = true;
  await bench.settle();
  expect(underWay.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 1));
  expect(new Set(bench.requests.slice(0, 20).map((texts) => texts.length))).toEqual(new Set([10]));
  expect(Math.max(...underWay.slice(20))).toBe(4);
  expect(bench.store.counters.acknowledged).toBe(1_000);
});

test("a sender that has only just begun sends normal batches, whatever waits: it may be killed again", async () => {
  const bench = makeBench(good, { ...quick, provenAfterMs: 60_000 });
  bench.push(...numbered(1_000));
  await bench.settle();
  expect(Math.max(...bench.requests.map((texts) => texts.length))).toBe(10);
});
