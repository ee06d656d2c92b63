import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { crashLockFile, crashLogsIn } from "../../src/buffer/crash-log-file.ts";
import { tryLock } from "../../src/buffer/file-lock.ts";
import { Bot } from "../chaos/bot.ts";
import { judge } from "../chaos/oracle.ts";
import { Random } from "../chaos/random.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const keys = { publicKey: "pk-lf-stand-in", secretKey: "sk-lf-stand-in" };

function journalsIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => /^journal-\d+\.sqlite$/.test(name));
}

/** Crash logs that have named a journal. */
function notesIn(directory: string): number {
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".journal")).length : 0;
}

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
  // Whoever is killed before it has a journal leaves none.
  for (const bot of living) await bot.hasBegun();
  await until(() => journalsIn(directory).length > 1);
  for (const bot of living) await bot.end("SIGKILL");
  const left = journalsIn(directory);
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
  await until(() => journalsIn(directory).length === 1);
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

test("processes of two containers that know nothing of each other's ids share a volume", async ({ skip }) => {
  const [unshare, ...flags] = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"] as const;
  if (spawnSync(unshare, [...flags, "true"]).status !== 0) skip("process namespaces need root");
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const buffer = { ...keys, baseUrl: server.url, directory, durability: "strict" as const };
  const bots = [1, 2].map(() => new Bot({ buffer, spansPerSecond: 200 }, { under: [unshare, ...flags] }));
  for (const bot of bots) await bot.hasBegun();
  // Each is the first process of its own world, and yet neither takes the other for dead.
  const outside = bufferFor(server.url, { directory, durability: "strict" });
  const own = endSpans(outside, 10);
  await until(() => outside.stats().journalSpans === 10);
  expect(outside.stats().recovered).toBe(0);
  for (const bot of bots) await bot.end("SIGKILL");
  await outside.shutdown({ timeoutMs: 3_000 });
  await server.setFault(undefined);
  const last = bufferFor(server.url, { directory, durability: "strict" });
  const ended = bots.flatMap((bot) => bot.report().spans).length + own.length;
  await until(() => last.stats().acknowledged >= ended && last.stats().pending === 0);
  const arrivals = new Map(Object.entries(server.ids()));
  for (const bot of bots) expect(judge(bot, arrivals)).toMatchObject({ lost: 0, twice: 0, holes: 0 });
  expect(own.filter((id) => !arrivals.has(id))).toEqual([]);
}, 60_000);

test.each([
  ["the first, which a start takes as its own", "journal-1.sqlite"],
  ["the second, which it finds beside its own", "journal-2.sqlite"],
])("a journal that was left behind and is damaged, %s: read as far as it can be, the rest counted", async (_, name) => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const warnings: string[] = [];
  const options = { directory, logger: { warn: (text: string): void => void warnings.push(text) } };
  const first = bufferFor(server.url, options);
  await until(() => existsSync(join(directory, "journal-1.sqlite")));
  const second = bufferFor(server.url, options);
  await until(() => existsSync(join(directory, "journal-2.sqlite")));
  const owner = name === "journal-1.sqlite" ? first : second;
  const ids = endSpans(owner, 2_000, "x".repeat(1_000));
  await until(() => owner.stats().journalSpans === 2_000);
  await first.shutdown({ timeoutMs: 3_000 });
  await second.shutdown({ timeoutMs: 3_000 });
  const descriptor = openSync(join(directory, name), "r+");
  writeSync(descriptor, Buffer.alloc(65_536, 0xa5), 0, 65_536, 1024 * 1024);
  closeSync(descriptor);
  await server.setFault(undefined);
  const next = bufferFor(server.url, options);
  await until(() => next.stats().acknowledged > 1_000 && next.stats().pending === 0);
  await until(() => warnings.some((text) => text.includes("a journal was damaged")));
  await until(() => readdirSync(directory).filter((file) => /^journal-\d+\.sqlite$/.test(file)).length === 1);
  const stored = ids.filter((id) => id in server.ids()).length;
  expect(stored).toBeGreaterThan(1_000);
  expect(stored).toBeLessThan(2_000);
  const stats = next.stats();
  expect(stats).toMatchObject({ recovered: 2_000, dropped: { damaged: 2_000 - stored } });
  expect(missingFromAccount(stats)).toBe(0);
  expect(server.account().twice).toBe(0);
});

test("a crash log that is still locked when its journal is not: the journal waits for it, and nothing comes twice", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "shared");
  const buffer = { ...keys, baseUrl: server.url, directory, durability: "strict" as const };
  const bots: Bot[] = [];
  for (let index = 0; index < 2; index++) {
    const bot = new Bot({ buffer, spansPerSecond: 200 });
    bots.push(bot);
    await bot.hasBegun();
    // Its log says so, and names the journal: before that it would be anybody's.
    await until(() => notesIn(directory) === index + 1 && crashLogsIn(directory).size === index + 1);
  }
  for (const bot of bots) await bot.end("SIGKILL");
  // As if the dead processes were not wholly gone: one of these belongs to the journal that is found beside the own one.
  const locks = [...crashLogsIn(directory).keys()].map((ringId) => tryLock(crashLockFile(directory, ringId)));
  expect(locks.map((lock) => lock === undefined)).toEqual([false, false]);
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory, durability: "strict" });
  await until(() => next.stats().acknowledged > 0 && next.stats().pending === 0);
  const releasedAtMs = performance.now();
  for (const lock of locks) lock?.release();
  await until(() => journalsIn(directory).length === 1);
  // It is asked for every second, however deep the pump sleeps; the next look for what is left behind would be 30 s away.
  expect(performance.now() - releasedAtMs).toBeLessThan(15_000);
  await next.shutdown({ timeoutMs: 3_000 });
  const last = bufferFor(server.url, { directory, durability: "strict" });
  const ended = bots.flatMap((bot) => bot.report().spans).length;
  await last.flush({ timeoutMs: 10_000 });
  expect(server.account().spans).toBeGreaterThanOrEqual(ended);
  const arrivals = new Map(Object.entries(server.ids()));
  for (const bot of bots) expect(judge(bot, arrivals)).toMatchObject({ lost: 0, twice: 0, holes: 0 });
}, 60_000);
