import { expect, test } from "vitest";
import { good, makeBench, numbered } from "./sender-bench.ts";

test("a batch goes when it is full, the rest when it is old or wanted", async () => {
  const bench = makeBench(good);
  bench.push(...numbered(250));
  await bench.settle();
  expect(bench.requests.map((texts) => texts.length)).toEqual([100, 100]);
  expect(bench.journal.count).toBe(50);
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests.flat()).toEqual(numbered(250));
  expect(bench.store.counters).toMatchObject({ taken: 250, acknowledged: 250, pending: 0 });
  expect(bench.journal.count).toBe(0);
});

test("a batch goes when its oldest span has waited for the flush interval", async () => {
  const bench = makeBench(good, { flushIntervalMs: 20 });
  bench.push("a");
  await bench.settle();
  expect(bench.requests).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 25));
  await bench.settle();
  expect(bench.requests).toEqual([["a"]]);
});

test("a batch is bounded by bytes", async () => {
  const bench = makeBench(good, { maxBatchBytes: 2_000 });
  bench.push(..."abcdef".split("").map((letter) => letter.repeat(900)));
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests.map((texts) => texts.length)).toEqual([2, 2, 2]);
});

test("never more requests under way than slots", async () => {
  const bench = makeBench(good, { batchSize: 1, exportConcurrency: 3 });
  bench.push(...numbered(20));
  bench.sender.dispatch();
  expect(bench.sender.inFlightCount).toBe(3);
  await bench.settle();
  expect(bench.requests.flat().length).toBe(20);
});

test.each([
  ["first", [0]],
  ["in the middle", [57]],
  ["two", [3, 90]],
])("poison (%s) is found by halving and harms nobody else", async (_name, poisonIndexes) => {
  const poison = new Set(poisonIndexes.map((index) => `span ${index}`));
  const bench = makeBench((texts) =>
    texts.some((text) => poison.has(text))
      ? { verdict: "rejected", status: 400, reason: "bad" }
      : { verdict: "acknowledged" },
  );
  bench.push(...numbered(100));
  await bench.settle();
  expect(bench.store.counters).toMatchObject({
    acknowledged: 100 - poison.size,
    deadLettered: poison.size,
    pending: 0,
  });
  expect(bench.requests.length).toBeLessThanOrEqual(2 * poison.size * Math.log2(100) + 2);
});

test("too large is split by bytes, and a single one that stays too large is buried", async () => {
  const bench = makeBench((texts) =>
    texts.join("").length > 1000 ? { verdict: "too-large", status: 413, reason: "large" } : { verdict: "acknowledged" },
  );
  bench.push("a".repeat(1200), ...Array.from({ length: 20 }, () => "b".repeat(300)));
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.store.counters).toMatchObject({ acknowledged: 20, deadLettered: 1, pending: 0 });
});

test("in an outage nothing leaves, and afterwards everything goes, byte for byte and once", async () => {
  let isAway = true;
  const bench = makeBench(() => (isAway ? { verdict: "retry", reason: "refused" } : { verdict: "acknowledged" }));
  bench.push(...numbered(500));
  await bench.settle();
  expect(bench.sender.circuit.state).toBe("backing-off");
  expect(bench.journal.count).toBe(500);
  expect(bench.notices.filter((notice) => notice.includes("refused")).length).toBe(1);
  const failed = bench.requests.splice(0);
  isAway = false;
  bench.sender.isUrgent = true;
  bench.sender.hurry();
  await bench.settle();
  expect(bench.requests.flat().sort()).toEqual(numbered(500).sort());
  for (const request of failed) expect(bench.requests).toContainEqual(request);
  expect(bench.store.counters).toMatchObject({ acknowledged: 500, pending: 0 });
});

test("a batch that fails for ever does not block the others: probes take turns", async () => {
  const bench = makeBench(
    (texts) => (texts.includes("span 0") ? { verdict: "retry", reason: "500" } : { verdict: "acknowledged" }),
    { batchSize: 10 },
  );
  bench.push(...numbered(100));
  for (let round = 0; round < 15; round++) {
    bench.sender.circuit.hurry();
    await bench.settle();
  }
  expect(bench.store.counters.acknowledged).toBe(90);
});

test("refused keys hold everything", async () => {
  const bench = makeBench(() => ({ verdict: "hold", status: 401, reason: "unknown key" }));
  bench.push(...numbered(300));
  await bench.settle();
  expect(bench.sender.circuit.state).toBe("held");
  expect(bench.journal.count).toBe(300);
  expect(bench.store.counters).toMatchObject({ pending: 300, deadLettered: 0 });
});

test("a wait is as long as the server asked", async () => {
  const bench = makeBench(() => ({ verdict: "wait", retryAfterMs: 7_000 }), { exportConcurrency: 1 });
  bench.push(...numbered(100));
  const before = performance.now();
  await bench.settle();
  expect(bench.sender.circuit.untilMs).toBeGreaterThanOrEqual(before + 7_000);
  expect(bench.sender.circuit.untilMs).toBeLessThanOrEqual(performance.now() + 7_000);
});

test("a 207: each span gets its own outcome, and only the unfinished ones are sent again", async () => {
  let isFirst = true;
  const bench = makeBench((texts) => {
    if (!isFirst) return { verdict: "acknowledged" };
    isFirst = false;
    return {
      verdict: "per-span",
      spans: texts.map((_, index) =>
        index % 3 === 0
          ? { outcome: "acknowledged" as const }
          : index % 3 === 1
            ? { outcome: "rejected" as const, status: 400, reason: "bad" }
            : { outcome: "retry" as const, status: 500 },
      ),
    };
  });
  bench.push(...numbered(9));
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.store.counters).toMatchObject({ acknowledged: 3, deadLettered: 3, pending: 3 });
  while (bench.store.counters.pending > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await bench.settle();
  }
  expect(bench.requests[1]).toEqual(["span 2", "span 5", "span 8"]);
});

test("a server without the OTLP route is sent the other, at once and for good", async () => {
  const bench = makeBench((_, task) =>
    task.transport === "otlp"
      ? { verdict: "change-transport", transport: "ingestion" }
      : { verdict: "acknowledged", transport: "ingestion" },
  );
  bench.push(...numbered(1000));
  await bench.settle();
  expect(bench.store.counters.acknowledged).toBe(1000);
  // At most the first wave asked the wrong route.
  expect(bench.requests.length).toBeLessThanOrEqual(14);
});

test("a server that sends us from one route to the other is an outage, not a loop", async () => {
  const bench = makeBench((_, task) => ({
    verdict: "change-transport",
    transport: task.transport === "otlp" ? "ingestion" : "otlp",
  }));
  bench.push(...numbered(100));
  await bench.settle();
  expect(bench.sender.circuit.state).toBe("backing-off");
  expect(bench.requests.length).toBe(2);
  expect(bench.journal.count).toBe(100);
});

test("overflow: nothing is written while Langfuse is there, everything once it is away", async () => {
  let isAway = false;
  const bench = makeBench(() => (isAway ? { verdict: "retry", reason: "refused" } : { verdict: "acknowledged" }), {
    durability: "overflow",
  });
  bench.push(...numbered(100));
  expect(bench.journal.count).toBe(0);
  await bench.settle();
  expect(bench.store.counters.acknowledged).toBe(100);
  isAway = true;
  bench.push(...numbered(250, 100));
  expect(bench.journal.count).toBe(0);
  await bench.settle();
  expect(bench.journal.count).toBe(250);
  bench.push(...numbered(50, 350));
  expect(bench.journal.count).toBe(300);
  isAway = false;
  bench.sender.isUrgent = true;
  bench.sender.hurry();
  await bench.settle();
  expect(bench.requests.flat()).toEqual(expect.arrayContaining(numbered(400)));
  expect(bench.store.counters).toMatchObject({ acknowledged: 400, pending: 0 });
  expect(bench.journal.count).toBe(0);
});

test.each(["drop-oldest", "drop-newest"] as const)(
  "beyond maxDiskBytes: %s, whole and counted",
  async (overflowPolicy) => {
    let isAway = true;
    const bench = makeBench(() => (isAway ? { verdict: "retry" } : { verdict: "acknowledged" }), {
      maxDiskBytes: 400_000,
      overflowPolicy,
      batchSize: 10,
      exportConcurrency: 1,
    });
    const texts = Array.from({ length: 1000 }, (_, index) => `${index} ${"x".repeat(990)}`);
    for (let start = 0; start < 1000; start += 50) {
      bench.push(...texts.slice(start, start + 50));
      await bench.settle();
    }
    expect(bench.journal.space.usedBytes()).toBeLessThanOrEqual(420_000);
    const { pending, droppedDiskFull } = bench.store.counters;
    expect(pending + droppedDiskFull).toBe(1000);
    expect(pending).toBeGreaterThan(250);
    isAway = false;
    bench.requests.length = 0;
    bench.sender.isUrgent = true;
    for (let round = 0; round < 5 && bench.store.counters.pending > 0; round++) {
      bench.sender.hurry();
      await bench.settle();
    }
    expect(bench.requests.flat().length).toBe(pending);
    const kept = new Set(bench.requests.flat());
    expect(kept.has(texts[999] as string)).toBe(overflowPolicy === "drop-oldest");
    // The one under way at the time is never dropped.
    expect(kept.has(texts[0] as string)).toBe(true);
  },
);

test("without keys nothing is sent and nothing is lost", async () => {
  const bench = makeBench(good, { destination: undefined });
  bench.push(...numbered(200));
  bench.sender.isUrgent = true;
  await bench.settle();
  expect(bench.requests).toEqual([]);
  expect(bench.sender.circuit.state).toBe("held");
  expect(bench.notices.join()).toContain("LANGFUSE_PUBLIC_KEY");
});
