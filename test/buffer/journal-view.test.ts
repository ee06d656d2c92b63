import { expect, onTestFinished, test } from "vitest";
import { type JournalSlot, takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { JournalView } from "../../src/buffer/journal-view.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const spans = 3_000;

/** A journal in use with spans, and a view of it. */
function viewed(): { slot: JournalSlot; view: JournalView } {
  const slot = takeJournalSlot(temporaryDirectory(), { baseUrl: "http://127.0.0.1:1", publicKey: "pk" }, "ring");
  insert(slot, spans);
  const view = new JournalView(slot.file);
  onTestFinished(() => {
    view.close();
    slot.journal.close();
    slot.release();
  });
  return { slot, view };
}

function insert({ journal }: JournalSlot, count: number): void {
  journal.insertPayloads(
    Array.from({ length: count }, (_, index) => Buffer.from(JSON.stringify({ index, text: "x".repeat(500) }))),
    Date.now(),
  );
}

test("who has stopped in the middle of reading keeps the owner neither from committing nor from emptying its log", () => {
  const { slot, view } = viewed();
  const rows = view.spans();
  const seen = [rows.next().value?.id];
  insert(slot, 10);
  expect(() => slot.journal.space.emptyLog()).not.toThrow();
  slot.journal.remove(1, 5);
  // What is there all the time is seen once; what comes meanwhile is seen.
  for (const { id } of rows) seen.push(id);
  expect(seen).toEqual(Array.from({ length: spans + 10 }, (_, index) => index + 1));
});

test("it counts what is there, and changes nothing", () => {
  const { slot, view } = viewed();
  expect(view.counted()).toEqual({ said: spans, found: spans });
  expect(view.complaint(true)).toBeUndefined();
  expect(() => view.deadLetters.restore([{ id: 1, payload: Buffer.alloc(0) }])).toThrow(/readonly/);
  expect(slot.journal.count).toBe(spans);
});
