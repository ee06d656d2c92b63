import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readableRows } from "../../src/buffer/readable-rows.ts";
import { openDatabase, type SqliteDatabase } from "../../src/buffer/sqlite.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const pageBytes = 8192;
const rows = 3_000;

/** A table of which page for page can be spoilt: two levels of inner pages above some 750 leaves. */
function makeTable(firstId: number): { file: string; leaves: number[]; inner: number[] } {
  const file = join(temporaryDirectory(), "table.sqlite");
  const database = openDatabase(file);
  database.pragma(`page_size = ${pageBytes}`);
  database.exec("CREATE TABLE spans (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)");
  const insert = database.prepare("INSERT INTO spans VALUES (?, zeroblob(2500))");
  database.transaction(() => {
    for (let id = firstId; id < firstId + rows; id++) insert.run(id);
  })();
  database.close();
  const leaves: number[] = [];
  const inner: number[] = [];
  const descriptor = openSync(file, "r");
  const kind = Buffer.alloc(1);
  for (let page = 1; readSync(descriptor, kind, 0, 1, page * pageBytes) === 1; page++) {
    if (kind[0] === 0x0d) leaves.push(page);
    if (kind[0] === 0x05) inner.push(page);
  }
  closeSync(descriptor);
  return { file, leaves, inner };
}

function spoil(file: string, pages: readonly number[]): void {
  const descriptor = openSync(file, "r+");
  for (const page of pages) writeSync(descriptor, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, page * pageBytes);
  closeSync(descriptor);
}

function open(file: string): SqliteDatabase {
  const database = openDatabase(file);
  onTestFinished(() => void database.close());
  return database;
}

/** Each row asked for by itself. */
function readableOneByOne(file: string, firstId: number): number[] {
  const select = open(file).prepare<[number]>("SELECT payload FROM spans WHERE id = ?");
  return Array.from({ length: rows }, (_, index) => firstId + index).filter((id) => {
    try {
      return select.get(id) !== undefined;
    } catch {
      return false;
    }
  });
}

function rescued(file: string, expected: number | undefined): number[] {
  const ids = [...readableRows<{ id: number }>(open(file), ["id, payload"], "spans", expected)].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  return ids.sort((a, b) => a - b);
}

test.each([
  ["the first leaf", (leaves: number[]) => [leaves[0]]],
  ["the last leaf", (leaves: number[]) => [leaves.at(-1)]],
  ["both ends", (leaves: number[]) => [leaves[0], leaves.at(-1)]],
  ["a leaf in the middle", (leaves: number[]) => [leaves[300]]],
  ["every third leaf", (leaves: number[]) => leaves.filter((_, index) => index % 3 === 0)],
  ["the whole first half", (leaves: number[]) => leaves.slice(0, leaves.length / 2)],
  ["the whole second half", (leaves: number[]) => leaves.slice(leaves.length / 2)],
  ["all but one leaf", (leaves: number[]) => leaves.toSpliced(400, 1)],
  ["an inner page", (_: number[], inner: number[]) => [inner.at(-1)]],
  ["nothing", () => []],
])("%s spoilt: what SQLite can read row by row is found, above and below zero", (_, pick) => {
  for (const firstId of [1, -5_000]) {
    const { file, leaves, inner } = makeTable(firstId);
    spoil(
      file,
      pick(leaves, inner).filter((page) => page !== undefined),
    );
    const wanted = readableOneByOne(file, firstId);
    expect(rescued(file, rows)).toEqual(wanted);
    expect(rescued(file, undefined)).toEqual(wanted);
  }
});

test("ids far apart are found all the same, unless the bad page is an end", () => {
  const file = join(temporaryDirectory(), "table.sqlite");
  const database = open(file);
  database.exec("CREATE TABLE spans (id INTEGER PRIMARY KEY, payload BLOB)");
  for (const id of [-1_000_000_000, 5, 1_000_000_000]) database.prepare("INSERT INTO spans VALUES (?, 'x')").run(id);
  expect(rescued(file, 3)).toEqual([-1_000_000_000, 5, 1_000_000_000]);
});

test("what lies before an id that was overwritten is found, although the next page is bad", () => {
  const { file, leaves } = makeTable(1);
  const wild = 16_000;
  overwriteLastId(file, leaves[100] as number, wild);
  spoil(file, [leaves[101], leaves[200]] as number[]);
  const wanted = readableOneByOne(file, 1);
  expect(wanted.length).toBeGreaterThan(rows - 20);
  expect(rescued(file, rows).filter((id) => id !== wild)).toEqual(wanted);
});

/** Gives the last row of a leaf another id, by the file format of SQLite ("B-tree pages"): both of two bytes. */
function overwriteLastId(file: string, page: number, id: number): void {
  const descriptor = openSync(file, "r+");
  const content = Buffer.alloc(pageBytes);
  readSync(descriptor, content, 0, pageBytes, page * pageBytes);
  const cells = content.readUInt16BE(3);
  const cellAt = content.readUInt16BE(8 + 2 * (cells - 1));
  // Behind the cell's size, of two bytes too.
  const idBytes = Buffer.from([0x80 | (id >> 7), id & 0x7f]);
  writeSync(descriptor, idBytes, 0, 2, page * pageBytes + cellAt + 2);
  closeSync(descriptor);
}
