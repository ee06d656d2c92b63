import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bufferFor, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** What the folder takes on the disk, the shared memory of SQLite's left out. */
function bytesIn(directory: string): number {
  const names = readdirSync(directory).filter((name) => !name.endsWith("-shm"));
  return names.reduce((sum, name) => {
    const file = join(directory, name);
    return sum + (existsSync(file) ? statSync(file).size : 0);
  }, 0);
}

test.each(["drop-oldest", "drop-newest"] as const)(
  "maxDiskBytes holds with %s, write-ahead log included; after the drain the room is given back",
  async (overflowPolicy) => {
    const server = await standIn();
    await server.setFault({ kind: "down" });
    const directory = temporaryDirectory();
    const maxDiskBytes = 8 * 1024 * 1024;
    const buffer = bufferFor(server.url, { directory, maxDiskBytes, overflowPolicy, maxQueueSize: 500 });
    let largest = 0;
    const gaps: number[] = [];
    const ids: string[] = [];
    for (let round = 0; round < 200; round++) {
      for (let index = 0; index < 150; index++) {
        const span = buffer.startSpan("large", { input: "x".repeat(1_000) });
        span.end();
        ids.push(span.spanId);
      }
      await new Promise((resolve) => setTimeout(resolve, 8));
      largest = Math.max(largest, bytesIn(directory));
      gaps.push(missingFromAccount(buffer.stats()));
    }
    await until(() => buffer.stats().ringBytes === 0);
    expect(largest).toBeLessThanOrEqual(maxDiskBytes * 1.05);
    // And it is used.
    expect(largest).toBeGreaterThan(maxDiskBytes * 0.85);
    const { dropped, accepted } = buffer.stats();
    expect(accepted).toBe(30_000);
    expect(dropped["disk-full"]).toBeGreaterThan(15_000);
    expect(gaps.filter((gap) => gap !== 0)).toEqual([]);
    await server.setFault(undefined);
    expect(await buffer.flush({ timeoutMs: 25_000 })).toMatchObject({ pending: 0, timedOut: false });
    const stored = server.ids();
    const kept = ids.filter((id) => id in stored);
    expect(kept.length).toBe(30_000 - dropped["disk-full"]);
    // The first thousand are under way from the beginning.
    const [early, late] = [ids.slice(1_000, 5_000), ids.slice(-4_000)];
    const [gone, left] = overflowPolicy === "drop-oldest" ? [early, late] : [late, early];
    const storedOf = (some: readonly string[]): number => some.filter((id) => id in stored).length;
    expect(storedOf(left)).toBeGreaterThan(storedOf(gone) * 10);
    await until(() => bytesIn(directory) < maxDiskBytes / 8);
  },
  60_000,
);

test("a span larger than the whole disk's share costs no other", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const buffer = bufferFor(server.url, {
    maxDiskBytes: 512 * 1024,
    maxSpanBytes: 4 * 1024 * 1024,
    durability: "journal",
  });
  for (let index = 0; index < 20; index++) buffer.startSpan("small").end();
  await until(() => buffer.stats().journalSpans === 20);
  buffer.startSpan("huge", { input: "x".repeat(3_000_000) }).end();
  await until(() => buffer.stats().dropped["disk-full"] === 1);
  expect(buffer.stats()).toMatchObject({ pending: 20, journalSpans: 20 });
});
