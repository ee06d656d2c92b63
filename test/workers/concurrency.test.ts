import { expect, test } from "vitest";
import { Concurrency } from "../../src/workers/concurrency.ts";
import { makeBench, numbered } from "./sender-bench.ts";

const bytes = 100_000;

interface Bench {
  concurrency: Concurrency;
  /** So many requests come through one after another, each after so long. Returns the limit after each. */
  succeed: (count: number, latencyMs?: number, requestBytes?: number) => number[];
  /** A wave of requests fails together. */
  fail: (count?: number) => number;
}

function makeConcurrency(most: number): Bench {
  const clock = { ms: 1_000 };
  const concurrency = new Concurrency(most, { nowMs: () => clock.ms });
  return {
    concurrency,
    succeed(count, latencyMs = 50, requestBytes = bytes) {
      return Array.from({ length: count }, () => {
        const sentAtMs = clock.ms;
        clock.ms += latencyMs;
        concurrency.succeed(sentAtMs, requestBytes);
        return concurrency.limit;
      });
    },
    fail(count = 1) {
      const sentAtMs = clock.ms;
      for (let index = 0; index < count; index++) {
        clock.ms += 10;
        concurrency.fail(sentAtMs);
      }
      clock.ms++;
      return concurrency.limit;
    },
  };
}

test("in fair weather all slots may be used, from the first request on", () => {
  const { concurrency, succeed } = makeConcurrency(4);
  expect(concurrency.limit).toBe(4);
  expect(new Set(succeed(1_000))).toEqual(new Set([4]));
});

test("after an outage: the probe, then 1, 2, 3 … as so many come through", () => {
  const { succeed, fail } = makeConcurrency(4);
  fail(4);
  expect(fail()).toBe(1);
  expect(succeed(8)).toEqual([1, 2, 2, 3, 3, 3, 4, 4]);
});

test("one failure halves; a wave of them halves once; a probe that fails too leaves one", () => {
  const { succeed, fail } = makeConcurrency(32);
  expect(fail(32)).toBe(16);
  succeed(1);
  expect(fail(16)).toBe(8);
  expect(fail()).toBe(1);
  expect(fail()).toBe(1);
});

test("a request from before the trouble neither raises nor lowers", () => {
  const clock = { ms: 0 };
  const concurrency = new Concurrency(8, { nowMs: () => clock.ms });
  clock.ms = 100;
  concurrency.fail(0);
  expect(concurrency.limit).toBe(4);
  concurrency.fail(50);
  for (let index = 0; index < 20; index++) concurrency.succeed(50, bytes);
  expect(concurrency.limit).toBe(4);
});

test("latency that rises far above what it was halves, again and again, and comes back with it", () => {
  const { concurrency, succeed } = makeConcurrency(8);
  succeed(20, 50);
  expect(succeed(5, 2_000)).toEqual([8, 8, 8, 8, 4]);
  succeed(5, 2_000);
  expect(concurrency.limit).toBe(2);
  succeed(5, 2_000);
  expect(concurrency.limit).toBe(1);
  succeed(2 + 3 + 4 + 5 + 6 + 7 + 8, 50);
  expect(concurrency.limit).toBe(8);
});

test.each([5, 50, 800])("a server that always takes %i ms reaches all slots after an outage", (latencyMs) => {
  const { concurrency, succeed, fail } = makeConcurrency(4);
  fail();
  fail();
  succeed(10, latencyMs);
  expect(concurrency.limit).toBe(4);
});

test("noise of half a second throttles nobody", () => {
  const { concurrency, succeed } = makeConcurrency(4);
  for (let index = 0; index < 500; index++) succeed(1, 5 + ((index * 7_919) % 480));
  expect(concurrency.limit).toBe(4);
});

test("a few slow answers among many are noise", () => {
  const { concurrency, succeed } = makeConcurrency(4);
  for (let index = 0; index < 100; index++) succeed(1, index % 3 === 0 ? 5_000 : 50);
  expect(concurrency.limit).toBe(4);
});

test("larger requests may take longer", () => {
  const { concurrency, succeed } = makeConcurrency(4);
  for (let size = 100_000; size <= 3_200_000; size *= 2) succeed(20, size / 1_000, size);
  expect(concurrency.limit).toBe(4);
});

test("a server that has become slower for good is believed in the end", () => {
  const { concurrency, succeed } = makeConcurrency(4);
  succeed(20, 50);
  succeed(20, 1_000);
  expect(concurrency.limit).toBe(1);
  succeed(200, 1_000);
  expect(concurrency.limit).toBe(4);
});

test("the sender obeys: after an outage the requests under way rise by one after another", async () => {
  let isAway = true;
  const underWay: number[] = [];
  const bench = makeBench(
    () => {
      if (isAway) return { verdict: "retry", reason: "refused" };
      underWay.push(bench.sender.inFlightCount);
      return { verdict: "acknowledged" };
    },
    { batchSize: 10, exportConcurrency: 4, maxBatchBytes: 100 },
  );
  bench.push(...numbered(500));
  for (let round = 0; round < 3; round++) {
    bench.sender.hurry();
    await bench.settle();
  }
  isAway = false;
  bench.sender.isUrgent = true;
  bench.sender.hurry();
  await bench.settle();
  expect(bench.store.counters).toMatchObject({ acknowledged: 500, pending: 0 });
  expect(underWay.slice(0, 2)).toEqual([1, 1]);
  for (const [index, count] of underWay.entries()) {
    // The probe, one, then two more for the second, three for the third.
    expect(count).toBeLessThanOrEqual(index < 2 ? 1 : index < 4 ? 2 : index < 7 ? 3 : 4);
  }
  expect(Math.max(...underWay)).toBe(4);
});

test("refused keys and a wish for a pause lower it too", async () => {
  for (const verdict of ["hold", "wait"] as const) {
    let isTrouble = true;
    const underWay: number[] = [];
    const bench = makeBench(
      () => {
        if (isTrouble) return { verdict, retryAfterMs: 20 };
        underWay.push(bench.sender.inFlightCount);
        return { verdict: "acknowledged" };
      },
      { batchSize: 10, exportConcurrency: 4, maxBatchBytes: 100 },
    );
    bench.push(...numbered(200));
    await bench.settle();
    isTrouble = false;
    await new Promise((resolve) => setTimeout(resolve, 30));
    bench.sender.hurry();
    await bench.settle();
    expect(underWay[0]).toBe(1);
    expect(underWay[1]).toBeLessThanOrEqual(2);
    expect(Math.max(...underWay)).toBe(4);
  }
});
