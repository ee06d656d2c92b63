/** Damage that the first use of a journal does not stumble upon, or stumbles upon late. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type JournalSlot, takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { openDatabase, type SqliteDatabase } from "../../src/buffer/sqlite.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const owner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk-lf-1" };
const spans = 60;
const pageBytes = 8192;
const leafPage = 0x0d;

function take(directory: string): JournalSlot {
  const slot = takeJournalSlot(directory, owner, "ring");
  onTestFinished(() => {
    slot.journal.close();
    slot.release();
  });
  return slot;
}

function insert({ journal }: JournalSlot, count: number): void {
  const texts = Array.from({ length: count }, (_, index) => Buffer.from(`{"name":"${index}${"x".repeat(1_500)}"}`));
  journal.insert([new SpanRun(journal.nextIds(count), Date.now(), PackedPayloads.of(texts), false)]);
}

/** A journal with spans that nobody has open, damaged. */
function damaged(damage: (file: string) => void): string {
  const directory = temporaryDirectory();
  const slot = takeJournalSlot(directory, owner, "ring");
  insert(slot, spans);
  slot.journal.close();
  slot.release();
  damage(join(directory, "journal-1.sqlite"));
  return directory;
}

function inDatabase(action: (database: SqliteDatabase) => void): (file: string) => void {
  return (file) => {
    const database = openDatabase(file);
    action(database);
    database.close();
  };
}

function rename(table: string, from: string, to: string): (file: string) => void {
  return inDatabase((database) => {
    database.unsafeMode(true);
    database.pragma("writable_schema = ON");
    database.prepare("UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = ?").run(from, to, table);
  });
}

/** Gives the last row another id, by the file format of SQLite ("B-tree pages"): who looks for the highest finds it. */
function setLastId(file: string, id: number): void {
  const content = readFileSync(file);
  for (let page = content.length - pageBytes; page > 0; page -= pageBytes) {
    const cellAt = page + content.readUInt16BE(page + 8 + 2 * (content.readUInt16BE(page + 3) - 1));
    // Behind the cell's size, which has two bytes.
    if (content[page] !== leafPage || content[cellAt + 2] !== spans) continue;
    content[cellAt + 2] = id;
    writeFileSync(file, content);
    return;
  }
  throw new Error("no leaf has the last row");
}

/** Damage in the middle, where nobody looks who opens the journal and adds to it. */
function spoilMiddleLeaf(file: string): void {
  const content = readFileSync(file);
  const pages = Array.from({ length: content.length / pageBytes }, (_, index) => index * pageBytes);
  const leaves = pages.filter((page) => content[page] === leafPage);
  const at = leaves[Math.floor(leaves.length / 2)] as number;
  content.fill(0xa5, at, at + 16);
  writeFileSync(file, content);
}

test.each([
  ["a table of dead letters that SQLite cannot read", rename("dead_letters", "id INTEGER", "id INTEGMR"), spans],
  ["a column under another name", rename("spans", "accepted_at_ms", "accepted_at_mq"), spans],
  ["a version that nobody has written", inDatabase((each) => void each.pragma("user_version = 134217729")), spans],
  ["a last row with the lowest id", (file: string) => setLastId(file, 0), spans],
  ["a last row with the id of another", (file: string) => setLastId(file, 7), spans],
  ["a bad page in the middle", spoilMiddleLeaf, spans - 5],
])("%s: the journal is replaced before anything is written to it", (_, damage, atLeast) => {
  const slot = take(damaged(damage));
  expect(slot.damaged).toHaveLength(1);
  expect(slot.file).toContain("journal-1.sqlite");
  expect(slot.journal.count).toBeGreaterThanOrEqual(atLeast);
  const { count } = slot.journal;
  insert(slot, 20);
  expect(slot.journal.recount()).toBe(count + 20);
});

test("a journal without fault is not replaced", () => {
  const slot = take(damaged(() => undefined));
  expect(slot.damaged).toEqual([]);
  expect(slot.journal.count).toBe(spans);
});
