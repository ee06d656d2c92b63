import { closeSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Overwrites a part of a file in place: by another process's hand, so to say. */
function overwrite(file: string, fromByte: number, bytes: number): void {
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.alloc(bytes, 0xa5), 0, bytes, fromByte);
  closeSync(descriptor);
}

test("a journal that is overwritten while it is in use is replaced, once, with what memory holds and what can be read", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const warnings: string[] = [];
  const buffer = bufferFor(server.url, {
    directory,
    maxQueueSize: 200,
    logger: { warn: (text) => void warnings.push(text) },
  });
  // Larger than SQLite's cache.
  const ids = endSpans(buffer, 6_000, "x".repeat(4_000));
  await until(() => buffer.stats().journalSpans === 6_000);
  // Some pages of the backfill.
  overwrite(join(directory, "journal-1.sqlite"), 8 * 1024 * 1024, 256 * 1024);
  await server.setFault(undefined);
  ids.push(...endSpans(buffer, 500));
  await buffer.flush({ timeoutMs: 25_000 });
  // Longer than it takes to notice that the journal is another file than it was.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(warnings.filter((text) => text.includes("a journal was damaged"))).toHaveLength(1);
  expect(warnings.filter((text) => text.includes("removed while in use"))).toEqual([]);
  const names = readdirSync(directory);
  expect(names.filter((name) => /^journal-\d+\.sqlite$/.test(name))).toEqual(["journal-1.sqlite"]);
  expect(names.filter((name) => /\.damaged-.*\.sqlite$/.test(name))).toHaveLength(1);
  const stats = buffer.stats();
  expect(missingFromAccount(stats)).toBe(0);
  expect(stats).toMatchObject({ accepted: 6_500, pending: 0, recovered: 0 });
  const stored = server.ids();
  const missing = ids.filter((id) => !(id in stored)).length;
  expect(missing).toBe(stats.dropped.damaged);
  expect(missing).toBeGreaterThan(0);
  expect(missing).toBeLessThan(3_000);
  expect(server.account().twice).toBe(0);
});
