import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Journal, type StoredSpan } from "../../src/buffer/journal.ts";
import { type JournalOwner, type JournalSlot, takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { adoptSpills, writeSpill } from "../../src/buffer/spill.ts";
import { openDatabase } from "../../src/buffer/sqlite.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const owner: JournalOwner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk-lf-a" };

function spansOf(journal: Journal, count: number, bytes = 10): StoredSpan[] {
  return Array.from({ length: count }, () => {
    const id = journal.nextId();
    return { id, acceptedAtMs: 1_793_520_000_000 + id, payload: Buffer.alloc(bytes, `${id} `) };
  });
}

function openJournal(file = join(temporaryDirectory(), "journal.sqlite")): Journal {
  const journal = new Journal(file);
  onTestFinished(() => journal.close());
  return journal;
}

function takeSlot(directory: string, as: JournalOwner = owner): JournalSlot {
  const slot = takeJournalSlot(directory, as);
  onTestFinished(() => {
    slot.journal.close();
    slot.release();
  });
  return slot;
}

function giveBack(slot: JournalSlot): void {
  slot.journal.close();
  slot.release();
}

test("spans come back byte for byte and in order, also after a restart", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const journal = new Journal(file);
  const spans = spansOf(journal, 250);
  journal.insert(spans);
  journal.close();
  const reopened = openJournal(file);
  expect(reopened.count).toBe(250);
  expect(reopened.read(0, 1000, 1_000_000)).toEqual({ spans, isAll: true });
  expect(reopened.nextId()).toBe((spans.at(-1) as StoredSpan).id + 1);
});

test("a read is bounded by number and by bytes, but brings at least one", () => {
  const journal = openJournal();
  const spans = spansOf(journal, 10, 1000);
  journal.insert(spans);
  expect(journal.read(0, 4, 1_000_000)).toEqual({ spans: spans.slice(0, 4), isAll: false });
  expect(journal.read(0, 100, 2500)).toEqual({ spans: spans.slice(0, 2), isAll: false });
  expect(journal.read(0, 100, 1)).toEqual({ spans: spans.slice(0, 1), isAll: false });
  expect(journal.read((spans[8] as StoredSpan).id, 100, 1)).toEqual({ spans: spans.slice(9), isAll: true });
});

test("removing a batch with holes leaves the others", () => {
  const journal = openJournal();
  const spans = spansOf(journal, 10);
  journal.insert(spans);
  const ids = [1, 3, 4, 9].map((index) => (spans[index] as StoredSpan).id);
  expect(journal.remove(ids)).toBe(4);
  expect(journal.remove(ids)).toBe(0);
  expect(journal.read(0, 100, 10_000).spans.map(({ id }) => id)).toEqual(
    [0, 2, 5, 6, 7, 8].map((index) => spans[index]?.id),
  );
  expect(journal.count).toBe(6);
});

test("a buried span leaves the queue with the server's words", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const journal = openJournal(file);
  const [span] = spansOf(journal, 1) as [StoredSpan];
  journal.insert([span]);
  journal.bury([{ span, status: 400, reason: "no good" }], 5);
  expect(journal.count).toBe(0);
  const database = openDatabase(file, { readonly: true });
  onTestFinished(() => void database.close());
  expect(database.prepare("SELECT status, reason, payload, died_at_ms FROM dead_letters").all()).toEqual([
    { status: 400, reason: "no good", payload: span.payload, died_at_ms: 5 },
  ]);
});

test("a failed transaction leaves rows and count as they were", () => {
  const journal = openJournal();
  const spans = spansOf(journal, 2);
  journal.insert(spans);
  expect(() => journal.insert([...spansOf(journal, 1), spans[0] as StoredSpan])).toThrow(/UNIQUE/);
  expect(journal.count).toBe(2);
  expect(journal.read(0, 10, 1000).spans).toEqual(spans);
});

test("room is given back to the disk", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const journal = new Journal(file);
  const spans = spansOf(journal, 2000, 2000);
  journal.insert(spans);
  const full = journal.fileBytes();
  journal.remove(spans.map(({ id }) => id));
  expect(journal.usedBytes()).toBeLessThan(full / 20);
  while (journal.shrink());
  journal.close();
  expect(statSync(file).size).toBeLessThan(full / 20);
});

test("directory and files are their owner's alone", () => {
  const directory = join(temporaryDirectory(), "state");
  const slot = takeSlot(directory);
  slot.journal.insert(spansOf(slot.journal, 1));
  expect(statSync(directory).mode & 0o077).toBe(0);
  const names = readdirSync(directory);
  expect(names).toContain("journal-1.sqlite-wal");
  for (const name of names) expect(statSync(join(directory, name)).mode & 0o077, name).toBe(0);
});

test("two holders get two journals; one that is free again is taken before a new one", () => {
  const directory = temporaryDirectory();
  const first = takeSlot(directory);
  const second = takeSlot(directory);
  expect(second.file).not.toBe(first.file);
  first.journal.insert(spansOf(first.journal, 3));
  giveBack(first);
  const third = takeSlot(directory);
  expect(third.file).toBe(first.file);
  expect(third.journal.count).toBe(3);
});

test("a journal of another project is never taken, but reported while it holds spans", () => {
  const directory = temporaryDirectory();
  const other = takeSlot(directory, { ...owner, publicKey: "pk-lf-b" });
  other.journal.insert(spansOf(other.journal, 2));
  giveBack(other);
  const mine = takeSlot(directory);
  expect(mine.file).not.toBe(other.file);
  expect(mine.foreign).toEqual([{ file: other.file, count: 2, owner: { ...owner, publicKey: "pk-lf-b" } }]);
});

test("spans that were journalled without keys go to the first that comes with keys for the same host", () => {
  const directory = temporaryDirectory();
  const keyless = takeSlot(directory, { ...owner, publicKey: undefined });
  keyless.journal.insert(spansOf(keyless.journal, 2));
  giveBack(keyless);
  expect(takeSlot(directory, { ...owner, baseUrl: "http://127.0.0.1:2" }).journal.count).toBe(0);
  const mine = takeSlot(directory);
  expect(mine.journal.count).toBe(2);
  giveBack(mine);
  expect(takeSlot(directory, { ...owner, publicKey: "pk-lf-b" }).journal.count).toBe(0);
});

test("a file that is no journal is left as it is, and another is used", () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "journal-1.sqlite"), "this is not a database, but somebody's notes");
  const slot = takeSlot(directory);
  expect(slot.file).toBe(join(directory, "journal-2.sqlite"));
  expect(slot.unusable.map(({ file }) => file)).toEqual([join(directory, "journal-1.sqlite")]);
  expect(statSync(join(directory, "journal-1.sqlite")).size).toBe(44);
});

test("a spill file is adopted once, by its owner", () => {
  const directory = temporaryDirectory();
  const payloads = ["one", "two", "😀".repeat(1000)].map((text) => Buffer.from(text));
  writeSpill(directory, owner, payloads);
  const stranger = takeSlot(directory, { ...owner, publicKey: "pk-lf-b" });
  expect(adoptSpills(directory, { ...owner, publicKey: "pk-lf-b" }, stranger)).toBe(0);
  const slot = takeSlot(directory);
  expect(adoptSpills(directory, owner, slot)).toBe(3);
  expect(adoptSpills(directory, owner, slot)).toBe(0);
  expect(slot.journal.read(0, 10, 100_000).spans.map(({ payload }) => payload)).toEqual(payloads);
  expect(readdirSync(directory).filter((name) => name.includes("spill"))).toEqual([]);
});

test("a spill file whose adoption was cut short after the commit is not adopted again", () => {
  const directory = temporaryDirectory();
  const slot = takeSlot(directory);
  writeSpill(directory, owner, [Buffer.from("one")]);
  const [name = ""] = readdirSync(directory).filter((file) => file.endsWith(".spill"));
  // As after a crash between the commit and the removal of the file.
  slot.journal.insertSpill(`${name}.journal-1.sqlite`, [Buffer.from("one")], 0);
  expect(adoptSpills(directory, owner, slot)).toBe(0);
  expect(slot.journal.count).toBe(1);
});
