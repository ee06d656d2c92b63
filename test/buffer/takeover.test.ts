import { expect, onTestFinished, test } from "vitest";
import type { Journal } from "../../src/buffer/journal.ts";
import { type JournalSlot, removeJournal, takeJournalSlot, takeOrphan } from "../../src/buffer/journal-slot.ts";
import { moveMark } from "../../src/buffer/takeover.ts";
import { Readmission } from "../../src/workers/readmission.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const owner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk-lf-a" };
type Parts = ConstructorParameters<typeof Readmission>;

function take(directory: string): JournalSlot {
  const slot = takeJournalSlot(directory, owner, "ring");
  onTestFinished(() => giveBack(slot));
  return slot;
}

function giveBack(slot: JournalSlot): void {
  slot.journal.close();
  slot.release();
}

function add(journal: Journal, texts: readonly string[]): void {
  journal.insertPayloads(
    texts.map((text) => Buffer.from(text)),
    1_793_520_000_000,
  );
}

function textsIn(journal: Journal): string[] {
  const everything = { fromId: -1e9, throughId: 1e9, maxSpans: 100, maxBytes: 1e6, atLeastOne: true };
  const { runs } = journal.read(everything);
  return runs.flatMap((run) => Array.from({ length: run.count }, (_, index) => run.payload(index).toString()));
}

/** As src/workers/orphans.ts does it, up to where the process dies: the spans are in both. */
function beginMove(from: Journal, to: Journal, count: number): Readmission {
  const readmission = readmissionTo(to);
  const limits = { fromId: -1e9, throughId: 1e9, maxSpans: count, maxBytes: 1e6, atLeastOne: true };
  const { runs } = from.read(limits);
  readmission.adopt(runs, moveMark(from), runs.at(-1)?.lastId ?? 0);
  return readmission;
}

function readmissionTo(journal: Journal): Readmission {
  const window = { backfill: { addBefore: () => undefined } };
  const counters = { recovered: 0, pending: 0 };
  return new Readmission({ journal } as Parts[0], window as unknown as Parts[1], counters as Parts[2]);
}

test("a process that dies while it takes a journal over leaves no span twice, whoever comes next", () => {
  const directory = temporaryDirectory();
  const [left, other] = [take(directory), take(directory)];
  add(left.journal, ["a", "b", "c", "d"]);
  beginMove(left.journal, other.journal, 3);
  giveBack(left);
  giveBack(other);
  const [next, orphan] = [take(directory), takeOrphan(directory, owner, [], () => undefined)];
  expect(textsIn(next.journal)).toEqual(["d"]);
  expect(textsIn(orphan?.journal as Journal)).toEqual(["a", "b", "c"]);
  giveBack(orphan as JournalSlot);
});

test("the note is of no meaning for spans that get the same ids later", () => {
  const directory = temporaryDirectory();
  const [left, other] = [take(directory), take(directory)];
  add(left.journal, ["a", "b"]);
  beginMove(left.journal, other.journal, 2);
  giveBack(left);
  const next = take(directory);
  expect(next.file).toBe(left.file);
  expect(textsIn(next.journal)).toEqual([]);
  giveBack(next);
  const afterwards = take(directory);
  add(afterwards.journal, ["new"]);
  expect(afterwards.journal.firstId).toBe(1);
  giveBack(afterwards);
  expect(textsIn(take(directory).journal)).toEqual(["new"]);
});

test("the note goes with the spans when the journal that has it is taken over too", () => {
  const directory = temporaryDirectory();
  const [left, second, third] = [take(directory), take(directory), take(directory)];
  add(left.journal, ["a", "b", "c"]);
  beginMove(left.journal, second.journal, 2);
  const readmission = beginMove(second.journal, third.journal, 99);
  readmission.adoptRest(second.journal);
  const id = second.journal.meta.journalId;
  removeJournal(second);
  readmission.forgetAdoption(id);
  giveBack(left);
  expect(textsIn(third.journal)).toEqual(["a", "b"]);
  expect(textsIn(take(directory).journal)).toEqual(["c"]);
  expect(third.journal.meta.startingWith(`moved:${id}`)).toEqual([]);
});
