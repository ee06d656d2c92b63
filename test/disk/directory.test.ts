import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

function journalsIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).filter((name) => /^journal-\d+\.sqlite$/.test(name)) : [];
}

test("a directory that cannot be made: spans go through memory; once it can be, they are on the disk", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "state");
  writeFileSync(directory, "in the way");
  const warnings: string[] = [];
  const buffer = bufferFor(server.url, { directory, logger: { warn: (text) => void warnings.push(text) } });
  const ids = endSpans(buffer, 300);
  await until(() => warnings.some((text) => text.includes("cannot be opened")));
  rmSync(directory);
  await until(() => journalsIn(directory).length === 1);
  ids.push(...endSpans(buffer, 300));
  await until(() => buffer.stats().journalSpans === 600);
  expect(missingFromAccount(buffer.stats())).toBe(0);
  await buffer.shutdown({ timeoutMs: 3_000 });
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === 600);
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
  expect(server.account().twice).toBe(0);
});

test("a directory that is removed while the buffer runs is made again, with everything that was in it", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "state");
  const warnings: string[] = [];
  const buffer = bufferFor(server.url, {
    directory,
    maxQueueSize: 100,
    logger: { warn: (text) => void warnings.push(text) },
  });
  const ids = endSpans(buffer, 1_000);
  await until(() => buffer.stats().journalSpans === 1_000);
  rmSync(directory, { recursive: true });
  ids.push(...endSpans(buffer, 1_000));
  await until(() => journalsIn(directory).length === 1 && buffer.stats().journalSpans === 2_000);
  expect(warnings.some((text) => text.includes("was removed while in use"))).toBe(true);
  await buffer.shutdown({ timeoutMs: 3_000 });
  expect(missingFromAccount(buffer.stats())).toBe(0);
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === 2_000);
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
  expect(server.account().twice).toBe(0);
});

test("a folder in the place of the journal, a newer journal, a lock that is none: another is used, nothing is lost", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "journal-1.sqlite"));
  writeFileSync(join(directory, "journal-2.sqlite"), "");
  writeFileSync(join(directory, "journal-2.lock"), "this is no database, and longer than its header is".repeat(10));
  const buffer = bufferFor(server.url, { directory });
  endSpans(buffer, 50);
  expect(await buffer.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 50 });
  expect(server.account()).toMatchObject({ spans: 50, twice: 0 });
});
