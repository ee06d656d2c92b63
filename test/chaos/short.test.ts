// The short, seeded set of the chaos runs; the long ones: npm run chaos (docs/chaos.md).
import { expect, test } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { kills } from "./kills.ts";
import { Random } from "./random.ts";
import type { ScenarioContext } from "./scenario.ts";
import { sidecarKills } from "./sidecar-kills.ts";
import { storm } from "./storm.ts";

function contextOf(seed: number): ScenarioContext {
  const { signal } = new AbortController();
  return { random: new Random(seed), seed, directory: temporaryDirectory(), signal, progress: () => undefined };
}

test.each(["journal", "strict"] as const)(
  "%s: five SIGKILLs at 5,000 spans a second leave no hole, and little comes twice",
  async (durability) => {
    const { figures } = await kills(contextOf(1), { rounds: 5, durability });
    expect(figures).toMatchObject({ holes: 0, pending: 0, conservationGaps: 0, unhandledRejections: 0 });
    expect((figures["sentAgainByKill"] as { most: number }).most).toBeLessThanOrEqual(400);
    expect(figures["repeated"]).toBeLessThanOrEqual(400 * 5);
    expect(figures["ended"]).toBeGreaterThan(2_000);
    if (durability === "strict") expect(figures["lost"]).toBe(0);
  },
  120_000,
);

test("a storm of faults over three processes of one directory: strict loses nothing", async () => {
  const { figures, broken } = await storm(contextOf(2), { durationMs: 12_000, bots: 3, durability: "strict" });
  expect(broken).toEqual([]);
  expect(figures["killed"]).toBeGreaterThan(0);
}, 120_000);

test("a sidecar that is killed three times under 200 requests a second: what it answered 200 is stored", async () => {
  const { figures, broken } = await sidecarKills(contextOf(3), 3);
  expect(broken).toEqual([]);
  expect(figures["kills"]).toBe(3);
  expect(figures["promised"]).toBeGreaterThan(100);
}, 180_000);
