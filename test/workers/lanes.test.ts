import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { steadyMs } from "../../src/buffer/monotonic-ms.ts";
import { bytesOf } from "../../src/buffer/span-run.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type Bench, good, makeBench, numbered } from "./sender-bench.ts";

/** P2, and that the journal holds what it should. */
function expectConserved({ store, sender, journal }: Bench): void {
  const { taken, recovered, pending, acknowledged, deadLettered, droppedDiskFull, droppedDamaged } = store.counters;
  expect(pending + acknowledged + deadLettered + droppedDiskFull + droppedDamaged).toBe(taken + recovered);
  const handedOut = [...sender.handedOut()].reduce((sum, run) => sum + run.count, 0);
  expect(store.waiting + handedOut).toBe(pending);
  expect(journal.count).toBeLessThanOrEqual(pending);
}

/** When the oldest pending span was accepted, on the clock of `steadyMs`. */
function oldestAtMs({ store, sender }: Bench): number {
  store.measure(sender.oldestHandedOut());
  return store.counters.oldestPendingAtMs;
}

interface Moment {
  fromMs: number;
  toMs: number;
}

function expectWithin(atMs: number, moment: Moment | undefined): void {
  expect(atMs).toBeGreaterThanOrEqual(moment?.fromMs ?? Number.NaN);
  expect(atMs).toBeLessThanOrEqual(moment?.toMs ?? Number.NaN);
}

/** Batches one at a time, so that their order tells. */
const oneByOne = { exportConcurrency: 1, batchSize: 50 };

test("the live lane keeps the newest spans; what it cannot hold waits in the journal, and goes too", async () => {
  const bench = makeBench(good, { ...oneByOne, maxQueueSize: 150 });
  bench.push(...numbered(1000));
  expect(bench.store.window.count).toBe(150);
  expect(bench.store.window.backfill.first).toEqual({ from: 1, through: 850 });
  expectConserved(bench);
  await bench.settle();
  expect(bench.requests[0]).toEqual(numbered(50, 850));
  expect(bench.requests.flat().sort()).toEqual(numbered(1000).sort());
  expectConserved(bench);
  expect(bench.store.counters).toMatchObject({ acknowledged: 1000, pending: 0 });
});

test("new spans go first, and the backfill keeps a quarter of the sending", async () => {
  const lanes: string[] = [];
  let next = 5_000;
  const bench = makeBench(
    (texts) => {
      const isOld = Number(texts[0]?.slice("span ".length)) < 5_000 - 200;
      lanes.push(isOld ? "backfill" : "live");
      // As many new spans as have gone: the live lane is always due.
      if (lanes.length < 40) bench.push(...numbered(isOld ? 0 : texts.length, next));
      next += isOld ? 0 : texts.length;
      return { verdict: "acknowledged" };
    },
    // "span 5000" has 9 bytes: no batch grows.
    { ...oneByOne, maxQueueSize: 200, maxBatchBytes: 450 },
  );
  bench.push(...numbered(5_000));
  await bench.settle();
  expect(lanes.slice(0, 8)).toEqual(["live", "live", "live", "backfill", "live", "live", "live", "backfill"]);
  expect(lanes.slice(0, 40).filter((lane) => lane === "backfill").length).toBe(10);
  // Without new spans all of the sending is the backfill's.
  expect(new Set(lanes.slice(60))).toEqual(new Set(["backfill"]));
  expectConserved(bench);
});

test("backfill comes oldest first, past the holes that were sent before", async () => {
  const bench = makeBench(good, { ...oneByOne, maxQueueSize: 100 });
  bench.push(...numbered(100));
  await bench.settle();
  bench.push(...numbered(60, 100));
  const early = bench.store.takeLive(30, 1_000_000);
  bench.push(...numbered(90, 160));
  expect(bench.store.window.backfill.first).toEqual({ from: 131, through: 150 });
  bench.store.outcomes.acknowledge(early);
  bench.requests.length = 0;
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests.find((texts) => texts[0] === "span 130")).toEqual(numbered(20, 130));
  expect(bench.requests.flat().sort()).toEqual(numbered(120, 130).sort());
  expectConserved(bench);
});

test("one batch of backfill is gathered from many short ranges", () => {
  const bench = makeBench(good, { ...oneByOne, maxQueueSize: 20 });
  for (let start = 0; start < 200; start += 20) {
    bench.push(...numbered(20, start));
    bench.store.takeLive(10, 1_000_000);
  }
  bench.push(...numbered(20, 200));
  const runs = bench.store.takeBackfill(45, 1_000_000);
  const ids = runs.flatMap((run) => Array.from({ length: run.count }, (_, index) => run.firstId + index));
  expect(ids.length).toBe(45);
  expect(ids.every((id) => (id - 1) % 20 >= 10)).toBe(true);
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
  // Ten batches of ten from the live lane, and these.
  expect(bench.store.waiting + 100 + 45).toBe(bench.store.counters.pending);
});

test("backfill in batches stays within the bytes, but one span always goes, however large", async () => {
  const bench = makeBench(good, { ...oneByOne, maxQueueSize: 10, maxBatchBytes: 500 });
  bench.push(...Array.from({ length: 30 }, (_, index) => "x".repeat(index % 10 === 0 ? 900 : 100)));
  bench.store.takeLive(10, 1_000_000);
  await bench.settle();
  const sizes = bench.requests.map((texts) => texts.map((text) => text.length));
  expect(sizes.flat().length).toBe(20);
  expect(sizes.filter(([size]) => size === 900)).toEqual([[900], [900]]);
  expect(Math.max(...sizes.map((texts) => (texts.length === 1 ? 0 : 100 * texts.length)))).toBe(500);
});

test("what a journal holds at start is backfill, after what is new", async () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const before = makeBench(good, { destination: undefined }, file);
  before.push(...numbered(500));
  before.store.close();
  const bench = makeBench(good, oneByOne, file);
  bench.store.counters.recovered = 500;
  expectConserved(bench);
  bench.push(...numbered(50, 500));
  await bench.settle();
  expect(bench.requests[0]).toEqual(numbered(50, 500));
  expect(bench.requests.flat().sort()).toEqual(numbered(550).sort());
  expectConserved(bench);
});

/** Takes ten spans; when that was, on the clock of `steadyMs`, give or take the wall clock's millisecond. */
function pushTen(bench: Bench, start: number): Moment {
  const fromMs = steadyMs() - 1;
  bench.push(...numbered(10, start));
  return { fromMs, toMs: steadyMs() + 1 };
}

test("the oldest pending span is found in whichever lane it is", async () => {
  const bench = makeBench(good, { ...oneByOne, maxQueueSize: 10, destination: undefined });
  const moments: Moment[] = [];
  for (let start = 0; start < 30; start += 10) {
    moments.push(pushTen(bench, start));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expectWithin(oldestAtMs(bench), moments[0]);
  bench.store.outcomes.acknowledge(bench.store.takeBackfill(10, 1_000_000));
  expectWithin(oldestAtMs(bench), moments[1]);
  bench.store.outcomes.acknowledge(bench.store.takeBackfill(10, 1_000_000));
  expectWithin(oldestAtMs(bench), moments[2]);
  bench.store.outcomes.acknowledge(bench.store.takeLive(10, 1_000_000));
  expect(oldestAtMs(bench)).toBe(0);
});

test.each([3_600_000, -3_600_000])(
  "a clock that is set by %i ms makes no span older, and none is sent early or late",
  async (stepMs) => {
    const bench = makeBench(good, { ...oneByOne, maxQueueSize: 10, flushIntervalMs: 200 });
    const before = pushTen(bench, 0);
    const realNow = Date.now;
    vi.spyOn(Date, "now").mockImplementation(() => realNow() + stepMs);
    onTestFinished(() => void vi.restoreAllMocks());
    // The first ten go on to the backfill: the journal knows of them what the clock said before.
    expect(bench.store.window.oldest?.count).toBe(10);
    await bench.settle();
    expect(bench.requests).toEqual([]);
    expectWithin(oldestAtMs(bench), before);
    const dueAtMs = bench.sender.nextDeadlineMs();
    expect(dueAtMs).toBeLessThanOrEqual(performance.now() + 200);
    const after = pushTen(bench, 10);
    expectWithin(oldestAtMs(bench), before);
    bench.store.outcomes.acknowledge(bench.store.takeBackfill(10, 1_000_000));
    expectWithin(oldestAtMs(bench), after);
    await new Promise((resolve) => setTimeout(resolve, 250));
    await bench.settle();
    expect(bench.requests).toEqual([numbered(10, 10)]);
  },
);

test("what an earlier process journalled is as old as the clock at start says, whatever that says later", async () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const earlier = makeBench(good, { destination: undefined }, file);
  const accepted = pushTen(earlier, 0);
  earlier.store.close();
  const bench = makeBench(good, { destination: undefined }, file);
  const realNow = Date.now;
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + 3_600_000);
  onTestFinished(() => void vi.restoreAllMocks());
  pushTen(bench, 10);
  expectWithin(oldestAtMs(bench), accepted);
});

test("a full disk drops the oldest backfill, and when there is none the oldest of the live lane", async () => {
  const limits = { ...oneByOne, destination: undefined, maxDiskBytes: 400_000 };
  for (const maxQueueSize of [100, 1_000]) {
    const bench = makeBench(good, { ...limits, maxQueueSize });
    const texts = Array.from({ length: 1_000 }, (_, index) => `${index} `.padEnd(1_000, "x"));
    for (let start = 0; start < 1_000; start += 50) bench.push(...texts.slice(start, start + 50));
    const { pending, droppedDiskFull } = bench.store.counters;
    expect(droppedDiskFull).toBeGreaterThan(500);
    expect(bench.store.window.count).toBe(Math.min(maxQueueSize, pending));
    expectConserved(bench);
    const firstKept = droppedDiskFull + 1;
    const { backfill, oldest } = bench.store.window;
    expect(backfill.first?.from ?? oldest?.firstId).toBe(firstKept);
    const kept = [...bench.store.takeBackfill(5_000, 1e9), ...bench.store.takeLive(5_000, 1e9)];
    const spans = kept.flatMap((run) => Array.from({ length: run.count }, (_, index) => String(run.payload(index))));
    expect(spans).toEqual(texts.slice(droppedDiskFull));
  }
});

test("overflow: what is crowded out of the memory is journalled first, the newest stay in memory alone", async () => {
  const bench = makeBench(good, { ...oneByOne, durability: "overflow", maxQueueSize: 100 });
  bench.push(...numbered(100));
  expect(bench.journal.count).toBe(0);
  for (let start = 100; start < 300; start += 50) bench.push(...numbered(50, start));
  expect(bench.journal.count).toBe(200);
  expect([...bench.store.window].some((run) => run.isJournalled)).toBe(false);
  expect(bench.store.window.count).toBe(100);
  expectConserved(bench);
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests[0]).toEqual(numbered(50, 200));
  expect(bench.requests.flat().sort()).toEqual(numbered(300).sort());
  expect(bench.journal.count).toBe(0);
  expectConserved(bench);
});

test("overflow: a take that is larger than the memory loses none of it", async () => {
  const bench = makeBench(good, { ...oneByOne, durability: "overflow", maxQueueSize: 100 });
  bench.push(...numbered(30));
  bench.push(...numbered(250, 30));
  expect(bench.store.window.count).toBe(100);
  expect(bench.journal.count).toBe(280);
  expectConserved(bench);
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests.flat().sort()).toEqual(numbered(280).sort());
  expect(bench.store.counters).toMatchObject({ acknowledged: 280, pending: 0 });
  expectConserved(bench);
});

test("overflow: what the disk refuses to take over stays in ring and memory, and nothing is lost", async () => {
  const bench = makeBench(good, { ...oneByOne, durability: "overflow", maxQueueSize: 100 });
  bench.push(...numbered(100));
  const refusal = vi.spyOn(bench.journal, "insert").mockImplementation(() => {
    throw new Error("disk full");
  });
  bench.offer(...numbered(50, 100));
  expect(bench.store.takeFrom(bench.rings, false)).toBe(false);
  expect(bench.store.hold.isDiskResting).toBe(true);
  expect(bench.store.window.count).toBe(100);
  expect(bench.rings.isEmpty()).toBe(false);
  expectConserved(bench);
  refusal.mockRestore();
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  bench.store.takeFrom(bench.rings, false);
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests.flat().sort()).toEqual(numbered(150).sort());
  expectConserved(bench);
});

test("a backlog of large spans is in memory by its bytes: what rests, is under way and waits is bounded", async () => {
  const maxMemoryBytes = 4 * 1024 * 1024;
  let mostHeldBytes = 0;
  const bench = makeBench(
    (texts) => {
      mostHeldBytes = Math.max(mostHeldBytes, bytesOf([...bench.sender.handedOut()]));
      const isHalf = texts.length > 1;
      if (!isHalf) return { verdict: "per-span", spans: [{ outcome: "retry" }] };
      return {
        verdict: "per-span",
        spans: texts.map((_, index) => ({ outcome: index === 0 ? "retry" : "acknowledged" })),
      };
    },
    { batchSize: 4, exportConcurrency: 4, maxQueueSize: 100, maxBatchBytes: 200_000, maxMemoryBytes },
  );
  for (let round = 0; round < 200; round++) bench.push("x".repeat(50_000), "y".repeat(50_000));
  expect(bench.store.window.bytes).toBeLessThanOrEqual(maxMemoryBytes / 8);
  for (let round = 0; round < 20; round++) {
    bench.sender.circuit.hurry();
    await bench.settle();
  }
  expect(bench.store.counters.acknowledged).toBeGreaterThan(0);
  expect(mostHeldBytes).toBeGreaterThan(maxMemoryBytes / 8);
  // What rests may fill a quarter, what is under way another, and one batch comes on top of the first.
  expect(mostHeldBytes).toBeLessThanOrEqual(maxMemoryBytes / 2 + 200_000);
  expectConserved(bench);
});
