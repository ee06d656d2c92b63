import { existsSync, readdirSync, renameSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Journal } from "../../src/buffer/journal.ts";
import type { JournalOwner } from "../../src/buffer/journal-owner.ts";
import { type JournalSlot, makeJournalSlot, takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { setAsideFile } from "../../src/buffer/salvage.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { openDatabase } from "../../src/buffer/sqlite.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const owner: JournalOwner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk-lf-a" };

function fill(journal: Journal, count: number): void {
  const texts = Array.from({ length: count }, (_, index) => Buffer.from(`{"index":${index}}`));
  journal.insert([new SpanRun(journal.nextIds(count), 1_000, PackedPayloads.of(texts), false)]);
}

function take(directory: string, as: JournalOwner = owner): JournalSlot {
  const slot = takeJournalSlot(directory, as, "ring");
  onTestFinished(() => {
    slot.journal.close();
    slot.release();
  });
  return slot;
}

/** A directory with a journal of so many spans, closed. */
function leftBehind(count: number): { directory: string; file: string } {
  const directory = temporaryDirectory();
  const slot = takeJournalSlot(directory, owner, "earlier");
  fill(slot.journal, count);
  slot.journal.close();
  slot.release();
  return { directory, file: slot.file };
}

/** Changes a closed journal as damage would that SQLite does not notice. */
function change(file: string, sql: string): void {
  const database = openDatabase(file);
  database.exec(sql);
  database.close();
}

test("a journal is made whole or not at all", () => {
  const directory = temporaryDirectory();
  expect(() =>
    makeJournalSlot(directory, owner, (journal) => {
      fill(journal, 500);
      throw new Error("the disk is full");
    }),
  ).toThrow("the disk is full");
  expect(readdirSync(directory)).toEqual(["journal-1.lock"]);
  const made = makeJournalSlot(directory, owner, (journal) => fill(journal, 500));
  expect(made.journal.count).toBe(500);
  made.journal.close();
  made.release();
  expect(take(directory).journal.count).toBe(500);
});

test("what a process left that died while it made a journal is nobody's", () => {
  const { directory, file } = leftBehind(10);
  renameSync(file, join(directory, "journal-1.unfinished.sqlite"));
  expect(take(directory).journal.count).toBe(0);
  expect(readdirSync(directory).filter((name) => name.includes("unfinished"))).toEqual([]);
});

test("a rescue that died before its last step is completed; the damaged one's log does not get into it", () => {
  const { directory, file } = leftBehind(10);
  renameSync(file, file.replace(".sqlite", ".rescue.sqlite"));
  writeFileSync(`${file}-wal`, "the log of the damaged journal");
  const slot = take(directory);
  expect(slot.file).toBe(file);
  expect(slot.journal.count).toBe(10);
  expect(readdirSync(directory).some((name) => /\.damaged-.*-log\.sqlite-wal$/.test(name))).toBe(true);
});

test("a rescue that died earlier begins anew", () => {
  const { directory, file } = leftBehind(10);
  new Journal(file.replace(".sqlite", ".rescue.sqlite")).close();
  expect(take(directory).journal.count).toBe(10);
  expect(readdirSync(directory).filter((name) => name.includes("rescue"))).toEqual([]);
});

test("a write-ahead log without its database is set aside", () => {
  const { directory, file } = leftBehind(10);
  renameSync(file, `${file}-wal`);
  const slot = take(directory);
  expect(slot.journal.count).toBe(0);
  expect(slot.damaged.map(({ setAside }) => existsSync(`${setAside}-wal`))).toEqual([true]);
});

test.each([0, 1, 15, 16, 99, 100, 4_095, 8_191, 8_192, 8_193, 20_000])(
  "a journal cut at byte %i is replaced or read",
  (bytes) => {
    const { directory, file } = leftBehind(10);
    truncateSync(file, bytes);
    const slot = take(directory);
    expect(slot.file).toBe(file);
    fill(slot.journal, 1);
    expect(slot.journal.read({ fromId: 1, throughId: 99, maxSpans: 99, maxBytes: 1e6, atLeastOne: true }).isAll).toBe(
      true,
    );
  },
);

test.each(["0", "7", "-3", "many", "1e9", ""])("a wrong number of spans (%s) in the journal hides none", (count) => {
  const { directory, file } = leftBehind(10);
  change(file, `UPDATE meta SET value = '${count}' WHERE key = 'span_count'`);
  const { journal } = take(directory);
  expect(journal.read({ fromId: 1, throughId: 99, maxSpans: 99, maxBytes: 1e6, atLeastOne: true }).runs).toHaveLength(
    1,
  );
});

test("a journal whose own word of its owner is damaged is known by the one beside it", () => {
  const { directory, file } = leftBehind(10);
  change(file, "UPDATE meta SET value = 'http://127.0.0.9:1' WHERE key = 'base_url'");
  const stranger = take(directory, { baseUrl: "http://127.0.0.1:2", publicKey: "pk-lf-b" });
  expect(stranger.journal.count).toBe(0);
  expect(take(directory).journal.count).toBe(10);
});

test("a row that is none of ours is damage, not a span", () => {
  const { directory, file } = leftBehind(10);
  change(file, "UPDATE spans SET payload = 'text' WHERE id = 5");
  const { journal } = take(directory);
  const limits = { fromId: 1, throughId: 10, maxSpans: 99, maxBytes: 1e6, atLeastOne: true };
  expect(() => journal.read(limits)).toThrow("row 5 is none of ours");
});

test("of what is set aside the newest five are kept, and of large ones fewer", () => {
  const directory = temporaryDirectory();
  const file = join(directory, "journal-1.sqlite");
  for (let round = 0; round < 8; round++) {
    writeFileSync(file, `round ${round}`);
    setAsideFile(file, "corrupt");
  }
  expect(readdirSync(directory)).toHaveLength(5);
  writeFileSync(file, "");
  truncateSync(file, 300 * 1024 * 1024);
  const target = setAsideFile(file, "corrupt");
  expect(readdirSync(directory).map((name) => join(directory, name))).toEqual([target]);
  expect(statSync(target).size).toBe(300 * 1024 * 1024);
});
