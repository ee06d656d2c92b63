/** After an outage: what the server sees of a backlog that waits for it. */
import { describe, expect, test } from "vitest";
import { until } from "../support/buffers.ts";
import { expectAccount, runOf, ways } from "./ways.ts";

/** So many requests must have come through, the probe among them, before so many may be under way. */
function successesFor(underWay: number): number {
  return underWay < 2 ? 0 : 1 + (underWay * (underWay - 1)) / 2;
}

describe.each(ways)("$name", (way) => {
  test("a recovery does not flood: one request more after each step, up to exportConcurrency", async () => {
    const run = await runOf(way, { exportConcurrency: 6, maxBatchBytes: 10_000, exportTimeoutMs: 5_000 });
    await run.server.setFault({ kind: "down" });
    run.end(2_000);
    await until(() => run.buffer.stats().state === "backing-off");
    // A probe that fails too: more than a hiccup.
    const resentBefore = run.buffer.stats().resent;
    while (run.buffer.stats().resent < resentBefore + 40) await run.buffer.flush({ timeoutMs: 50 });
    await run.server.setFault({ kind: "slow", delayMs: 50 });
    await run.drain();
    expectAccount(run);
    const requests = run.requests();
    for (const [index, { underWay }] of requests.entries()) {
      const cameThrough = index + 1 - underWay;
      expect(cameThrough).toBeGreaterThanOrEqual(successesFor(underWay));
    }
    expect(requests[0]?.underWay).toBe(1);
    // A server that takes 50 ms is not slow: in the end all may be used.
    expect(Math.max(...requests.map(({ underWay }) => underWay))).toBe(6);
  });

  test("in fair weather all slots are used from the first moment", async () => {
    const run = await runOf(way, { exportConcurrency: 6, maxBatchBytes: 10_000, exportTimeoutMs: 5_000 });
    await run.server.setFault({ kind: "slow", delayMs: 100 });
    run.end(1_000);
    await run.drain();
    expectAccount(run);
    expect(
      Math.max(
        ...run
          .requests()
          .slice(0, 6)
          .map(({ underWay }) => underWay),
      ),
    ).toBe(6);
  });
});
