import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { StandIn } from "../../src/stand-in/index.ts";
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
  await deliverAll(server, directory, ids);
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
  await until(() => warnings.some((text) => text.includes("was removed while in use")));
  await buffer.shutdown({ timeoutMs: 3_000 });
  expect(missingFromAccount(buffer.stats())).toBe(0);
  await server.setFault(undefined);
  await deliverAll(server, directory, ids);
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

test("a process that ends right after its directory was removed leaves everything there", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "state");
  const buffer = bufferFor(server.url, { directory });
  const ids = endSpans(buffer, 200);
  await until(() => buffer.stats().journalSpans === 200);
  rmSync(directory, { recursive: true });
  await buffer.shutdown({ timeoutMs: 3_000 });
  await server.setFault(undefined);
  await deliverAll(server, directory, ids);
});

test("a directory that is put aside and brought back: nothing comes twice", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "state");
  const buffer = bufferFor(server.url, { directory });
  const ids = endSpans(buffer, 200);
  await until(() => buffer.stats().journalSpans === 200);
  renameSync(directory, `${directory}-aside`);
  await until(() => journalsIn(directory).length === 1);
  await buffer.shutdown({ timeoutMs: 3_000 });
  rmSync(directory, { recursive: true });
  renameSync(`${directory}-aside`, directory);
  await server.setFault(undefined);
  // What is there now had already moved, and went with the folder that was removed.
  const next = bufferFor(server.url, { directory });
  ids.splice(0, ids.length, ...endSpans(next, 10));
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
});

test("a directory that takes nothing to the end: the spans that end with the process are counted aloud", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "state");
  writeFileSync(directory, "in the way");
  const warnings: string[] = [];
  const buffer = bufferFor(server.url, { directory, logger: { warn: (text) => void warnings.push(text) } });
  endSpans(buffer, 300);
  await until(() => buffer.stats().journalSpans === 300);
  await buffer.shutdown({ timeoutMs: 3_000 });
  expect(warnings.filter((text) => text.includes("300 spans are lost"))).toHaveLength(1);
});

test("a journal in memory is bounded as memory is, and as the disk is once it is there", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "state");
  writeFileSync(directory, "in the way");
  const mebibyte = 1024 * 1024;
  const buffer = bufferFor(server.url, { directory, maxMemoryBytes: 4 * mebibyte, maxDiskBytes: 64 * mebibyte });
  async function endLarge(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      buffer.startSpan("large", { input: "x".repeat(10_000) }).end();
      if (index % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await until(() => buffer.stats().ringBytes === 0);
  }
  await endLarge(800);
  expect(buffer.stats().journalBytes).toBeLessThanOrEqual(4 * mebibyte);
  expect(buffer.stats().dropped["disk-full"]).toBeGreaterThan(300);
  rmSync(directory);
  await until(() => journalsIn(directory).length === 1);
  const { dropped } = buffer.stats();
  await endLarge(800);
  expect(buffer.stats().journalBytes).toBeGreaterThan(8 * mebibyte);
  expect(buffer.stats().dropped).toEqual(dropped);
  expect(missingFromAccount(buffer.stats())).toBe(0);
});

/** A next process on this directory stores these spans, each once. */
async function deliverAll(server: StandIn, directory: string, ids: readonly string[]): Promise<void> {
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === ids.length);
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
  expect(server.account().twice).toBe(0);
}
