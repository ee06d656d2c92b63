import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Bot } from "../chaos/bot.ts";
import { judge } from "../chaos/oracle.ts";
import { Random } from "../chaos/random.ts";
import { bufferFor, endSpans, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const keys = { publicKey: "pk-lf-stand-in", secretKey: "sk-lf-stand-in" };

test("20 processes of one directory, started and killed at random: one living process delivers what all of them left", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const random = new Random(10);
  const directory = join(temporaryDirectory(), "shared");
  const buffer = { ...keys, baseUrl: server.url, directory, durability: "strict" as const };
  const bots: Bot[] = [];
  const living: Bot[] = [];
  while (bots.length < 20) {
    const bot = new Bot({ buffer, spansPerSecond: 200 });
    bots.push(bot);
    living.push(bot);
    if (living.length < 5) continue;
    const [victim] = living.splice(random.whole(0, living.length - 1), 1);
    await victim?.hasBegun();
    await new Promise((resolve) => setTimeout(resolve, random.whole(0, 200)));
    await victim?.end("SIGKILL");
  }
  for (const bot of living) await bot.end("SIGKILL");
  const left = readdirSync(directory).filter((name) => /^journal-\d+\.sqlite$/.test(name));
  expect(left.length).toBeGreaterThan(1);
  // Nothing has been sent: whatever comes twice would have been taken over twice.
  await server.setFault(undefined);
  const last = bufferFor(server.url, { directory, durability: "strict" });
  const ended = bots.flatMap((bot) => bot.report().spans).length;
  // At least: the signal may strike between an `end()` and the bot's word of it.
  await until(() => last.stats().acknowledged >= ended && last.stats().pending === 0);
  const arrivals = new Map(Object.entries(server.ids()));
  for (const bot of bots)
    expect(judge(bot, arrivals)).toMatchObject({ lost: 0, twice: 0, holes: 0, conservationGaps: 0 });
  expect(last.stats().recovered).toBe(arrivals.size);
  expect(arrivals.size - ended).toBeLessThanOrEqual(bots.length);
  // Only its own is left.
  await until(() => readdirSync(directory).filter((name) => /^journal-\d+\.sqlite$/.test(name)).length === 1);
}, 120_000);

test("two living processes leave each other's journals alone", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const [one, other] = [bufferFor(server.url, { directory }), bufferFor(server.url, { directory })];
  const ids = [...endSpans(one, 50), ...endSpans(other, 70)];
  await until(() => one.stats().journalSpans === 50 && other.stats().journalSpans === 70);
  await server.setFault(undefined);
  await Promise.all([one.flush({ timeoutMs: 10_000 }), other.flush({ timeoutMs: 10_000 })]);
  expect(one.stats()).toMatchObject({ recovered: 0, acknowledged: 50 });
  expect(other.stats()).toMatchObject({ recovered: 0, acknowledged: 70 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
  expect(server.account().twice).toBe(0);
});
