import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { openDatabase } from "../../src/buffer/sqlite.ts";
import { bufferFor, endSpans, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { cli, cliJson, eventsDirectory, hex, leaveJournal, ownerAt, score, storedSpan } from "./journal-support.ts";

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000 });

const owner = ownerAt("http://127.0.0.1:9");
const pageBytes = 8192;
const leafPage = 0x0d;

interface Verified {
  isSound: boolean;
  journals: { isHeld: boolean; records: number; findings: { level: string; what: string; remedy?: string }[] }[];
}
interface RepairReport {
  journals: { outcome: string; by?: number; rescue?: { spans: number; lost: number; setAside: string } }[];
}

function spans(trace: number, count: number): object[] {
  return Array.from({ length: count }, (_, index) => storedSpan(trace, index + 1, { input: "x".repeat(1_500) }));
}

/** A page in the middle, where nobody looks who opens the journal. */
function spoilMiddleLeaf(file: string): void {
  const content = readFileSync(file);
  const leaves = Array.from({ length: content.length / pageBytes }, (_, index) => index * pageBytes).filter(
    (page) => content[page] === leafPage,
  );
  const at = leaves[Math.floor(leaves.length / 2)] as number;
  content.fill(0xa5, at, at + 16);
  writeFileSync(file, content);
}

/** Pages that the file's head says are free, and are not ("Freelist"): every row can be read all the same. */
function spoilFreeList(file: string): void {
  const content = readFileSync(file);
  content.writeUInt32BE(7, 36);
  writeFileSync(file, content);
}

function inDatabase(file: string, sql: string): void {
  const database = openDatabase(file);
  database.exec(sql);
  database.close();
}

test("sound journals are sound, in use or not, and nothing is changed", async () => {
  const directory = temporaryDirectory();
  const buffer = bufferFor(owner.baseUrl, { directory });
  endSpans(buffer, 5);
  await until(() => buffer.stats().journalSpans === 5);
  const file = leaveJournal(directory, owner, [...spans(1, 20), { name: "none of ours" }]);
  const before = readFileSync(file);
  const { code, result } = await cliJson<Verified>(["verify", "--directory", directory]);
  expect(code).toBe(0);
  expect(result).toMatchObject({
    isSound: true,
    journals: [
      { isHeld: true, records: 5, findings: [] },
      { isHeld: false, records: 21, findings: [{ level: "note", what: expect.stringContaining("traceId") }] },
    ],
  });
  expect(readFileSync(file).equals(before)).toBe(true);
});

test.each([
  ["a page in the middle", spoilMiddleLeaf],
  ["a list of free pages that is wrong", spoilFreeList],
  [
    "a count that is wrong",
    (file: string) => inDatabase(file, "UPDATE meta SET value = '77' WHERE key = 'span_count'"),
  ],
  ["a newer version", (file: string) => inDatabase(file, "PRAGMA user_version = 99")],
  ["no database", (file: string) => writeFileSync(file, "lorem ipsum ".repeat(2_000))],
])("verify finds %s", async (_, damage) => {
  const directory = temporaryDirectory();
  leaveJournal(directory, owner, [storedSpan(9, 1)]);
  const file = leaveJournal(directory, owner, spans(1, 60));
  damage(file);
  const copy = join(temporaryDirectory(), "copy.sqlite");
  copyFileSync(file, copy);
  const { code, result } = await cliJson<Verified>(["verify", "--directory", directory]);
  expect([code, result.isSound]).toEqual([6, false]);
  expect(result.journals.map(({ findings }) => findings.some(({ level }) => level === "fault"))).toEqual([false, true]);
  expect(await cliJson<Verified>(["verify", copy])).toMatchObject({ code: 6 });
});

test("repair saves what can be read, sets the rest aside, puts counts right, and leaves sound ones alone", async () => {
  const directory = temporaryDirectory();
  const [damaged, miscounted] = [1, 2, 3].map((trace) => leaveJournal(directory, owner, spans(trace, 60)));
  spoilMiddleLeaf(damaged as string);
  inDatabase(miscounted as string, "UPDATE meta SET value = '50' WHERE key = 'span_count'");
  const { code, result } = await cliJson<RepairReport>(["repair", "--directory", directory]);
  expect(code).toBe(0);
  expect(result.journals.map(({ outcome }) => outcome)).toEqual(["replaced", "recounted", "sound"]);
  const { rescue } = result.journals[0] ?? {};
  expect(rescue?.spans).toBeGreaterThanOrEqual(50);
  expect((rescue?.spans ?? 0) + (rescue?.lost ?? 0)).toBe(60);
  expect(existsSync(rescue?.setAside ?? "")).toBe(true);
  expect(result.journals[1]?.by).toBe(10);
  expect(readdirSync(directory).filter((name) => name.includes(".damaged-"))).toHaveLength(1);
  const verified = await cliJson<Verified>(["verify", "--directory", directory]);
  expect(verified).toMatchObject({ code: 0, result: { isSound: true } });
  expect(verified.result.journals.map(({ records }) => records)).toEqual([rescue?.spans, 60, 60]);
});

test("what a living process holds is neither repaired nor purged", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const buffer = bufferFor(server.url, { directory });
  endSpans(buffer, 6);
  await until(() => buffer.stats().journalSpans === 6);
  expect(await cliJson(["repair", "--directory", directory])).toMatchObject({
    code: 5,
    result: { journals: [{ outcome: "in-use" }] },
  });
  expect(await cliJson(["purge", "--yes", "--directory", directory])).toMatchObject({
    code: 5,
    result: { removed: 0, inUse: ["1"] },
  });
  await server.setFault(undefined);
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 6, pending: 0 });
});

test("purge removes what it is told and nothing else, and never without a yes", async () => {
  const directory = temporaryDirectory();
  const dayMs = 86_400_000;
  leaveJournal(directory, owner, spans(1, 30), Date.now() - 10 * dayMs);
  leaveJournal(directory, owner, [...spans(2, 20), ...spans(3, 5)]);
  leaveJournal(eventsDirectory(directory), owner, [score("s1", hex(2, 32)), score("s2", hex(3, 32))]);
  const at = ["--directory", directory];
  const left = async (): Promise<unknown> => (await cliJson<{ total: unknown }>(["list", ...at])).result.total;
  const unasked = await cli(["purge", ...at]);
  expect(unasked).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("repeat with --yes") });
  expect(await left()).toMatchObject({ spans: 55, events: 2 });
  expect(await cliJson(["purge", "--older-than", "7d", "--yes", ...at])).toMatchObject({
    code: 0,
    result: { removed: 30 },
  });
  expect(await left()).toMatchObject({ spans: 25, events: 2 });
  expect(await cliJson(["purge", "--trace", hex(2, 32), "--yes", ...at])).toMatchObject({ result: { removed: 21 } });
  expect(await left()).toMatchObject({ spans: 5, events: 1, traces: 1 });
  expect(await cliJson<Verified>(["verify", ...at])).toMatchObject({ code: 0, result: { isSound: true } });
  expect((await cli(["purge", "--older-than", "soon", "--yes", ...at])).code).toBe(2);
  expect(await cliJson(["purge", "--yes", ...at])).toMatchObject({ result: { removed: 6 } });
  expect(await left()).toMatchObject({ spans: 0, events: 0 });
});

test("purge --dead-letters takes the dead letters alone", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const buffer = bufferFor(server.url, { directory });
  await server.setFault({ kind: "error", status: 400, body: "no" });
  endSpans(buffer, 5);
  await buffer.flush({ timeoutMs: 20_000 });
  await server.setFault({ kind: "down" });
  endSpans(buffer, 3);
  await buffer.shutdown({ timeoutMs: 500 });
  const at = ["--directory", directory];
  expect(await cliJson(["purge", "--dead-letters", "--older-than", "1h", "--yes", ...at])).toMatchObject({
    result: { removed: 0 },
  });
  expect(await cliJson(["purge", "--dead-letters", "--yes", ...at])).toMatchObject({ code: 0, result: { removed: 5 } });
  expect((await cliJson<{ total: unknown }>(["list", ...at])).result.total).toMatchObject({ spans: 3 });
  expect(readdirSync(directory)).toContain("journal-1.sqlite");
});
