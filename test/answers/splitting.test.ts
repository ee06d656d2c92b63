/** Refused and too large requests: what is at fault is found, and harms nothing beside it. */
import { describe, expect, test } from "vitest";
import { expectAccount, runOf, ways } from "./ways.ts";

const poisonPlaces = [
  { count: 1, places: [57] },
  { count: 2, places: [3, 90] },
  { count: 99, places: Array.from({ length: 99 }, (_, index) => index) },
];

describe.each(ways)("$name", (way) => {
  test.each(poisonPlaces)("$count poison among 100: found in at most 2k log2 100 + 2 requests", async ({ places }) => {
    const run = await runOf(way, { batchSize: 100, exportTimeoutMs: 5_000 });
    for (let index = 0; index < 100; index++) {
      if (places.includes(index)) run.endPoison(1);
      else run.end(1);
    }
    await run.drain();
    expectAccount(run);
    expect(run.requests().length).toBeLessThanOrEqual(2 * places.length * Math.log2(100) + 2);
    // Never more than a tree over all of them, and ingestion answers for each span at once.
    expect(run.requests().length).toBeLessThanOrEqual(way.transport === "ingestion" ? 1 : 2 * 100 - 1);
  });

  test("413 down to single spans: those that fit arrive, a large one arrives cut, and is counted", async () => {
    const run = await runOf(way, { exportTimeoutMs: 5_000 });
    await run.server.setFault({ kind: "too-large", limitBytes: 20_000 });
    run.end(100);
    run.end(1, incompressible(60_000));
    run.end(100, incompressible(1_000));
    await run.drain();
    expectAccount(run);
    expect(run.buffer.stats().truncated).toBe(1);
    const large = run.server.spans().find(({ id }) => id === run.ids[100]);
    expect(JSON.stringify(large?.input)).toContain("truncated by langfuse-span-buffer");
    expect(run.server.account().requestsByStatus[413]).toBeGreaterThan(2);
  });

  test("413 at every size, cut or not: the dead letters, and the next spans go as before", async () => {
    const run = await runOf(way, { exportTimeoutMs: 5_000 });
    await run.server.setFault({ kind: "too-large", limitBytes: 50 });
    run.end(19);
    run.end(1, incompressible(30_000));
    await run.drain();
    expectAccount(run, 20);
    expect(run.said.some((text) => /413.*even truncated/.test(text))).toBe(true);
    await run.server.setFault(undefined);
    run.end(100);
    await run.drain();
    expectAccount(run, 20);
  });
});

/** A text that gzip does not make much smaller. */
function incompressible(length: number): string {
  let state = 1;
  return Array.from({ length }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return String.fromCharCode(35 + (state % 56));
  }).join("");
}
