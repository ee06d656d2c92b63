import type { StatusFigures, StoreFigures } from "./figures.ts";

/** Between two looks, a second. */
export interface Rates {
  /** Spans that were committed. */
  inPerSecond: number;
  /** Spans that left: acknowledged, dead-lettered or dropped. */
  outPerSecond: number;
}

/** Of all files together; undefined: there is nothing to compare with, or no time has passed. */
export function ratesBetween(before: StatusFigures | undefined, now: StatusFigures): Rates | undefined {
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1_000;
  if (before === undefined || seconds <= 0) return undefined;
  const earlier = new Map(before.stores.map((store) => [store.file, store]));
  const taken = now.stores.reduce((sum, store) => sum + takenSince(earlier.get(store.file), store), 0);
  const more = now.totals.waiting - before.totals.waiting;
  // What a crash log or an import brings comes through no ring.
  const came = Math.max(taken, more);
  return { inPerSecond: came / seconds, outPerSecond: (came - more) / seconds };
}

/** Numbers of frames are 32-bit integers that wrap; a ring that was not there before began with 0. */
function takenSince(before: StoreFigures | undefined, now: StoreFigures): number {
  return Object.entries(now.taken).reduce(
    (sum, [ring, sequence]) => sum + Math.max(0, (sequence - (before?.taken[ring] ?? 0)) | 0),
    0,
  );
}
