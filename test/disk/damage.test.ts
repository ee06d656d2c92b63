import { expect, test } from "vitest";
import { runDamage } from "../chaos/damage.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("journals damaged at random: every row that SQLite can read arrives, and so does what is ended meanwhile", async () => {
  const account = await runDamage({ seed: 20_261_123, count: 40, directory: temporaryDirectory() });
  expect(account.failures).toEqual([]);
  expect(account).toMatchObject({ journals: 40, ended: 800, endedStored: 800, stored: account.readable });
  // The set would prove nothing if it were harmless, or all dead.
  expect(account.replaced).toBeGreaterThan(10);
  expect(account.readable).toBeGreaterThan(1_000);
}, 120_000);
