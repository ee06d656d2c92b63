import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Journal } from "../../src/buffer/journal.ts";
import type { ReadLimits } from "../../src/buffer/span-reader.ts";
import type { JournalOwner } from "../../src/buffer/journal-owner.ts";
import { type JournalSlot, retakeJournalSlot, takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { adoptSpills, writeSpill } from "../../src/buffer/spill.ts";
import { openDatabase } from "../../src/buffer/sqlite.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const owner: JournalOwner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk-lf-a" };

function runOf(journal: Journal, count: number, bytes = 10): SpanRun {
  const firstId = journal.nextIds(count);
  const payloads = Array.from({ length: count }, (_, index) => Buffer.alloc(bytes, `${firstId + index} `));
  return new SpanRun(firstId, 1_793_520_000_000 + firstId, PackedPayloads.of(payloads), false);
}

/** Everything, but for the limits given. */
function read(journal: Journal, limits: Partial<ReadLimits> = {}): { ids: number[]; texts: string[]; isAll: boolean } {
  const everything = { fromId: 1, throughId: 2 ** 40, maxSpans: 10_000, maxBytes: 100_000_000, atLeastOne: true };
  const { runs, isAll } = journal.read({ ...everything, ...limits });
  const ids = runs.flatMap((run) => Array.from({ length: run.count }, (_, index) => run.firstId + index));
  return { ids, texts: runs.flatMap(textsOf), isAll };
}

function textsOf(run: SpanRun): string[] {
  return Array.from({ length: run.count }, (_, index) => run.payload(index).toString());
}

function openJournal(file = join(temporaryDirectory(), "journal.sqlite")): Journal {
  const journal = new Journal(file);
  onTestFinished(() => journal.close());
  return journal;
}

function takeSlot(directory: string, as: JournalOwner = owner, ringId = "ring-1"): JournalSlot {
  const slot = takeJournalSlot(directory, as, ringId);
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
  const runs = [runOf(journal, 200), runOf(journal, 50, 3000)];
  journal.insert(runs);
  journal.close();
  const reopened = openJournal(file);
  expect(reopened.count).toBe(250);
  expect(read(reopened).texts).toEqual(runs.flatMap(textsOf));
  expect(read(reopened).isAll).toBe(true);
  expect(reopened.nextIds(3)).toBe(251);
  expect(reopened.nextIds(1)).toBe(254);
});

test("a read is bounded by ids, by number and by bytes, and brings at least one only if asked to", () => {
  const journal = openJournal();
  journal.insert([runOf(journal, 10, 1000)]);
  expect(read(journal, { maxSpans: 4 })).toMatchObject({ ids: [1, 2, 3, 4], isAll: false });
  expect(read(journal, { maxBytes: 2500 })).toMatchObject({ ids: [1, 2], isAll: false });
  expect(read(journal, { maxBytes: 1 })).toMatchObject({ ids: [1], isAll: false });
  expect(read(journal, { maxBytes: 1, atLeastOne: false })).toMatchObject({ ids: [], isAll: false });
  expect(read(journal, { fromId: 10, maxBytes: 1 })).toMatchObject({ ids: [10], isAll: true });
  expect(read(journal, { fromId: 3, throughId: 5 })).toMatchObject({ ids: [3, 4, 5], isAll: true });
});

test("what is read comes as runs of consecutive ids of the same moment", () => {
  const journal = openJournal();
  journal.insert([runOf(journal, 5), runOf(journal, 5)]);
  journal.remove(3, 3);
  const { runs } = journal.read({ fromId: 1, throughId: 10, maxSpans: 100, maxBytes: 1e6, atLeastOne: true });
  expect(runs.map(({ firstId, count }) => [firstId, count])).toEqual([
    [1, 2],
    [4, 2],
    [6, 5],
  ]);
  expect(new Set(runs.map(({ acceptedAtMs }) => acceptedAtMs)).size).toBe(2);
});

test("removing a range leaves the others", () => {
  const journal = openJournal();
  journal.insert([runOf(journal, 10)]);
  expect(journal.remove(2, 4)).toBe(3);
  expect(journal.remove(2, 4)).toBe(0);
  expect(read(journal).ids).toEqual([1, 5, 6, 7, 8, 9, 10]);
  expect(journal.count).toBe(7);
});

test("the oldest are dropped in steps, holes or not", () => {
  const journal = openJournal();
  journal.insert([runOf(journal, 10)]);
  journal.remove(2, 4);
  expect(journal.dropOldest(1, 8, 3)).toEqual({ dropped: 3, throughId: 6 });
  expect(journal.dropOldest(7, 8, 3)).toEqual({ dropped: 2, throughId: 8 });
  expect(read(journal).ids).toEqual([9, 10]);
});

test("a buried span leaves the queue with the server's words", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const journal = openJournal(file);
  const span = runOf(journal, 1);
  journal.insert([span]);
  journal.bury([{ span, status: 400, reason: "no good" }], 5, 2 ** 30);
  expect(journal.count).toBe(0);
  const database = openDatabase(file, { readonly: true });
  onTestFinished(() => void database.close());
  expect(database.prepare("SELECT status, reason, payload, died_at_ms FROM dead_letters").all()).toEqual([
    { status: 400, reason: "no good", payload: span.payload(0), died_at_ms: 5 },
  ]);
});

test("a failed transaction leaves rows, count and sizes as they were", () => {
  const journal = openJournal();
  const run = runOf(journal, 2);
  journal.insert([run]);
  const before = {
    count: journal.count,
    file: journal.space.fileBytes(),
    used: journal.space.usedBytes(),
    read: read(journal),
  };
  expect(() =>
    journal.together(() => {
      journal.remove(1, 1);
      journal.insert([runOf(journal, 500, 2000), run]);
    }),
  ).toThrow(/UNIQUE/);
  expect({
    count: journal.count,
    file: journal.space.fileBytes(),
    used: journal.space.usedBytes(),
    read: read(journal),
  }).toEqual(before);
  journal.remove(1, 2);
  expect(journal.count).toBe(0);
});

test("several changes together are one transaction, none is none", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const journal = openJournal(file);
  const observer = openDatabase(file, { readonly: true });
  onTestFinished(() => void observer.close());
  const seen = (): unknown => observer.prepare("SELECT count(*) AS spans FROM spans").get();
  journal.insert([runOf(journal, 5)]);
  journal.together(() => {
    journal.insert([runOf(journal, 5)]);
    journal.remove(1, 3);
    expect(seen()).toEqual({ spans: 5 });
  });
  expect(seen()).toEqual({ spans: 7 });
  const version = observer.pragma("data_version");
  journal.together(() => undefined);
  expect(observer.pragma("data_version")).toEqual(version);
});

test("the sizes are those of the file", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const journal = openJournal(file);
  const observer = openDatabase(file, { readonly: true });
  onTestFinished(() => void observer.close());
  const pages = (name: string): number => observer.pragma(name, { simple: true }) as number;
  journal.insert([runOf(journal, 1000, 1000)]);
  journal.remove(1, 700);
  expect(pages("page_size")).toBe(8192);
  expect(journal.space.fileBytes()).toBe(pages("page_count") * 8192);
  expect(journal.space.usedBytes()).toBe((pages("page_count") - pages("freelist_count")) * 8192);
  while (journal.space.shrink());
  expect(journal.space.fileBytes()).toBe(pages("page_count") * 8192);
});

test("the write-ahead log stays below 16 MiB, and a quiet moment empties it", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const journal = openJournal(file);
  let largest = 0;
  for (let group = 0; group < 40; group++) {
    journal.insert([runOf(journal, 1000, 1000)]);
    if (group > 4) journal.remove((group - 5) * 1000 + 1, (group - 4) * 1000);
    largest = Math.max(largest, statSync(`${file}-wal`).size);
  }
  expect(largest).toBeLessThanOrEqual(16 * 1024 * 1024);
  // What the log begins with changes when all of it is carried over and the next commit starts it again.
  const beginning = (): string => readFileSync(`${file}-wal`).toString("hex", 0, 32);
  const full = beginning();
  journal.space.checkpoint();
  journal.insert([runOf(journal, 1)]);
  const afterQuiet = beginning();
  expect(afterQuiet).not.toBe(full);
  // With little in it, it is left alone.
  journal.space.checkpoint();
  journal.insert([runOf(journal, 1)]);
  expect(beginning()).toBe(afterQuiet);
});

test("a start looks at no more rows with a million spans than with a thousand", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  new Journal(file).close();
  const database = openDatabase(file);
  for (const query of [
    "SELECT max(id) AS id FROM spans",
    "SELECT id, accepted_at_ms, payload FROM spans WHERE id BETWEEN 1 AND 9 ORDER BY id LIMIT 5",
    "SELECT accepted_at_ms FROM spans WHERE id BETWEEN 1 AND 9 ORDER BY id LIMIT 1",
    "DELETE FROM spans WHERE id BETWEEN 1 AND 9",
  ]) {
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${query}`).all() as { detail: string }[];
    expect(plan.map(({ detail }) => detail).join(), query).toMatch(/^SEARCH spans/);
  }
  const fill = (through: number): void => {
    database.exec(`
      WITH RECURSIVE ids (id) AS (SELECT coalesce(max(id), 0) + 1 FROM spans UNION ALL SELECT id + 1 FROM ids WHERE id < ${through})
      INSERT INTO spans SELECT id, 1793520000000, randomblob(40) FROM ids;
      UPDATE meta SET value = '${through}' WHERE key = 'span_count'`);
    database.pragma("wal_checkpoint(TRUNCATE)");
  };
  const startMs = (): number => {
    const times = Array.from({ length: 5 }, () => {
      const before = performance.now();
      const journal = new Journal(file);
      journal.read({ fromId: 1, throughId: journal.lastId, maxSpans: 100, maxBytes: 1e6, atLeastOne: true });
      journal.close();
      return performance.now() - before;
    });
    return Math.min(...times);
  };
  fill(1_000);
  const smallMs = startMs();
  fill(1_000_000);
  const largeMs = startMs();
  database.close();
  // Counting a million rows takes some twenty times as long as all of this.
  expect(largeMs).toBeLessThan(smallMs * 5);
});

test("room is given back to the disk", () => {
  const file = join(temporaryDirectory(), "journal.sqlite");
  const journal = new Journal(file);
  journal.insert([runOf(journal, 2000, 2000)]);
  const full = journal.space.fileBytes();
  journal.remove(1, 2000);
  expect(journal.space.usedBytes()).toBeLessThan(full / 20);
  while (journal.space.shrink());
  journal.close();
  expect(statSync(file).size).toBeLessThan(full / 20);
});

test("directory and files are their owner's alone", () => {
  const directory = join(temporaryDirectory(), "state");
  const slot = takeSlot(directory);
  slot.journal.insert([runOf(slot.journal, 1)]);
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
  first.journal.insert([runOf(first.journal, 3)]);
  giveBack(first);
  const third = takeSlot(directory);
  expect(third.file).toBe(first.file);
  expect(third.journal.count).toBe(3);
});

test("a journal of another project is never taken, but reported while it holds spans", () => {
  const directory = temporaryDirectory();
  const other = takeSlot(directory, { ...owner, publicKey: "pk-lf-b" });
  other.journal.insert([runOf(other.journal, 2)]);
  giveBack(other);
  const mine = takeSlot(directory);
  expect(mine.file).not.toBe(other.file);
  expect(mine.foreign).toEqual([{ file: other.file, count: 2, owner: { ...owner, publicKey: "pk-lf-b" } }]);
});

test("spans that were journalled without keys go to the first that comes with keys for the same host", () => {
  const directory = temporaryDirectory();
  const keyless = takeSlot(directory, { ...owner, publicKey: undefined });
  keyless.journal.insert([runOf(keyless.journal, 2)]);
  giveBack(keyless);
  expect(takeSlot(directory, { ...owner, baseUrl: "http://127.0.0.1:2" }).journal.count).toBe(0);
  const mine = takeSlot(directory);
  expect(mine.journal.count).toBe(2);
  giveBack(mine);
  expect(takeSlot(directory, { ...owner, publicKey: "pk-lf-b" }).journal.count).toBe(0);
});

test("a file that is no journal is set aside, under a name that says when and why", () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "journal-1.sqlite"), "this is not a database, but somebody's notes");
  const slot = takeSlot(directory);
  expect(slot.file).toBe(join(directory, "journal-1.sqlite"));
  expect(slot.damaged).toMatchObject([{ spans: 0, lost: 0 }]);
  const setAside = slot.damaged[0]?.setAside as string;
  expect(setAside).toMatch(/journal-1\.damaged-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z-notadb\.sqlite$/);
  expect(statSync(setAside).size).toBe(44);
});

test("a folder in a journal's place is left as it is, and another is used", () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "journal-1.sqlite"));
  const slot = takeSlot(directory);
  expect(slot.file).toBe(join(directory, "journal-2.sqlite"));
  expect(slot.unusable.map(({ file }) => file)).toEqual([join(directory, "journal-1.sqlite")]);
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
  expect(read(slot.journal).texts).toEqual(payloads.map(String));
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

test("a pump that follows a crashed one finds the journal of its ring among others, and none while that is held", () => {
  const directory = temporaryDirectory();
  const others = takeSlot(directory, owner, "ring-a");
  const own = takeSlot(directory, owner, "ring-b");
  own.journal.insert([runOf(own.journal, 3)], { ringId: "ring-b", sequence: 3 });
  giveBack(others);
  expect(retakeJournalSlot(directory, "ring-b")).toBeUndefined();
  giveBack(own);
  const retaken = retakeJournalSlot(directory, "ring-b") as JournalSlot;
  onTestFinished(() => giveBack(retaken));
  expect(retaken.file).toBe(own.file);
  expect(retaken.journal.meta.ringPosition("ring-b")).toBe(3);
  expect(retakeJournalSlot(directory, "ring-c")).toBeUndefined();
});
