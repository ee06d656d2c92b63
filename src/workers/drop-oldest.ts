import type { Journal } from "../buffer/journal.ts";
import type { Window } from "./window.ts";

/** Spans that are dropped in one go when the disk's share is used up. */
const dropSpans = 100;

/** Drops the oldest spans that nobody has been handed. Returns how many; undefined: there are none on the disk. */
export function dropOldest(journal: Journal, window: Window): number | undefined {
  const { backfill, oldest } = window;
  const range = backfill.first;
  if (range !== undefined) {
    const { dropped, throughId } = journal.dropOldest(range.from, range.through, dropSpans);
    backfill.removeThrough(throughId);
    return dropped;
  }
  if (oldest === undefined || !oldest.isJournalled) return undefined;
  const part = oldest.slice(0, Math.min(dropSpans, oldest.count));
  const dropped = journal.remove(part.firstId, part.lastId);
  for (const run of window.take(part.count, Number.POSITIVE_INFINITY)) run.release();
  return dropped;
}
