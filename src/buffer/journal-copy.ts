import type { Journal } from "./journal.ts";
import type { KnownSpans } from "./salvage.ts";
import type { SpanRun } from "./span-run.ts";

/** Read and written in one step. */
const stepSpans = 1_000;
const stepBytes = 4 * 1024 * 1024;

/**
 * Copies what is pending and the dead letters into an empty journal, under their ids: from memory what is there, the rest
 * from the journal.
 *
 * @throws what the disk throws.
 */
export function copyJournal(from: Journal, to: Journal, { inMemory, isDone, onProgress }: KnownSpans): void {
  to.restore(inMemory);
  for (let fromId = from.firstId, isAll = false; !isAll; ) {
    const limits = { fromId, throughId: from.lastId, maxSpans: stepSpans, maxBytes: stepBytes, atLeastOne: true };
    const read = from.read(limits);
    to.restore(read.runs.flatMap((run) => notDone(run, isDone)));
    for (const run of read.runs) run.release();
    fromId = (read.runs.at(-1)?.lastId ?? from.lastId) + 1;
    isAll = read.isAll;
    onProgress();
  }
  to.restoreDeadLetters(from.deadLetters.rows());
}

/** The parts of a run that are still pending. */
function notDone(run: SpanRun, isDone: (id: number) => boolean): SpanRun[] {
  const parts: SpanRun[] = [];
  let from = 0;
  for (let index = 0; index <= run.count; index++) {
    if (index < run.count && !isDone(run.firstId + index)) continue;
    if (index > from) parts.push(run.slice(from, index));
    from = index + 1;
  }
  return parts;
}
