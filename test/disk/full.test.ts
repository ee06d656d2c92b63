import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SmallDisk } from "../chaos/small-disk.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** A small file system of its own; undefined where this user may not mount one. */
function smallDisk(mebibytes: number): SmallDisk | undefined {
  const disk = SmallDisk.mount(join(temporaryDirectory(), "disk"), mebibytes);
  if (disk !== undefined) onTestFinished(() => disk.unmount());
  return disk;
}

test("a full disk: Langfuse gets the spans from memory, and once there is room the rest is in the journal", async ({
  skip,
}) => {
  const disk = smallDisk(24) ?? skip("mounting a small disk needs root");
  const server = await standIn();
  const directory = join(disk.directory, "state");
  const warnings: string[] = [];
  const buffer = bufferFor(server.url, { directory, logger: { warn: (text) => void warnings.push(text) } });
  const ids = endSpans(buffer, 10);
  await buffer.flush({ timeoutMs: 10_000 });
  disk.fill();
  // More than the journal's own free pages hold.
  for (let round = 0; round < 30; round++) {
    ids.push(...endSpans(buffer, 20, "x".repeat(5_000)));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await until(() => warnings.some((text) => text.includes("the journal cannot be written")));
  ids.push(...endSpans(buffer, 300, "x".repeat(5_000)));
  const stored = (): number => ids.filter((id) => id in server.ids()).length;
  await until(() => stored() === ids.length);
  expect(missingFromAccount(buffer.stats())).toBe(0);
  await server.setFault({ kind: "down" });
  const more = endSpans(buffer, 300, "x".repeat(5_000));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(missingFromAccount(buffer.stats())).toBe(0);
  disk.free();
  await until(() => buffer.stats().journalSpans >= more.length && buffer.stats().pending >= more.length);
  await buffer.shutdown({ timeoutMs: 5_000 });
  expect(missingFromAccount(buffer.stats())).toBe(0);
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory });
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set([...ids, ...more]));
}, 60_000);

test("a disk that is full from the start: spans are sent, and in the journal once there is room", async ({ skip }) => {
  const disk = smallDisk(8) ?? skip("mounting a small disk needs root");
  disk.fill();
  const server = await standIn();
  const directory = join(disk.directory, "state");
  const buffer = bufferFor(server.url, { directory });
  const ids = endSpans(buffer, 300);
  expect(await buffer.flush({ timeoutMs: 15_000 })).toMatchObject({ acknowledged: 300, pending: 0 });
  await server.setFault({ kind: "down" });
  const more = endSpans(buffer, 300);
  await until(() => buffer.stats().journalSpans === 300);
  disk.free();
  await until(() => existsSync(join(directory, "journal-1.sqlite")) && buffer.stats().lastError !== undefined);
  await buffer.shutdown({ timeoutMs: 5_000 });
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === 300);
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set([...ids, ...more]));
  expect(server.account().twice).toBe(0);
}, 60_000);

test("a disk that fills up in the middle of coming back: it is tried again, and nothing comes twice", async ({
  skip,
}) => {
  const disk = smallDisk(6) ?? skip("mounting a small disk needs root");
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(disk.directory, "state");
  writeFileSync(directory, "in the way");
  const buffer = bufferFor(server.url, { directory });
  const ids = endSpans(buffer, 1_500, "x".repeat(3_000));
  await until(() => buffer.stats().journalSpans === 1_500);
  // Room for a part of them alone.
  disk.fill(2 * 1024 * 1024);
  rmSync(directory);
  await until(() => buffer.stats().lastError?.includes("no journal can be made") === true);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(buffer.stats()).toMatchObject({ pending: 1_500, journalSpans: 1_500, recovered: 0 });
  await server.setFault(undefined);
  await until(() => buffer.stats().acknowledged === 1_500);
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
  expect(server.account().twice).toBe(0);
  expect(buffer.stats().recovered).toBe(0);
}, 60_000);

test("a journal that has filled its disk by itself: what is delivered is recorded, and the room given back", async ({
  skip,
}) => {
  const disk = smallDisk(16) ?? skip("mounting a small disk needs root");
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(disk.directory, "state");
  const buffer = bufferFor(server.url, { directory, maxQueueSize: 1_000 });
  const ids: string[] = [];
  while (buffer.stats().lastError?.includes("the journal cannot be written") !== true) {
    ids.push(...endSpans(buffer, 200, "x".repeat(1_000)));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  // The ring and memory have these.
  ids.push(...endSpans(buffer, 3_000, "x".repeat(1_000)));
  expect(buffer.stats().journalSpans).toBeGreaterThan(5_000);
  await server.setFault(undefined);
  void buffer.flush({ timeoutMs: 60_000 });
  // A second of rest after each refusal: on a busy machine it takes its time.
  await until(() => buffer.stats().acknowledged === ids.length);
  expect(buffer.stats().pending).toBe(0);
  expect(missingFromAccount(buffer.stats())).toBe(0);
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
  expect(server.account().twice).toBe(0);
  await until(() => statSync(join(directory, "journal-1.sqlite")).size < 1024 * 1024);
  // And it takes new ones.
  await server.setFault({ kind: "down" });
  endSpans(buffer, 100);
  await until(() => buffer.stats().journalSpans === 100);
}, 120_000);
