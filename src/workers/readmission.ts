import type { Counters } from "../buffer/counters.ts";
import type { DeadLetters, LetterIds } from "../buffer/dead-letters.ts";
import type { Journal } from "../buffer/journal.ts";
import { countOf, type SpanRun } from "../buffer/span-run.ts";
import { movesOf } from "../buffer/takeover.ts";
import type { JournalHold } from "./journal-hold.ts";
import type { Window } from "./window.ts";

/** Spans that come in by other ways than the ring, as the oldest of all: retried dead letters, journals left behind. */
export class Readmission {
  readonly #hold: JournalHold;
  readonly #window: Window;
  readonly #counters: Counters;
  /** Newest dead letter of earlier processes. */
  readonly #lastEarlierLetter: number;

  constructor(hold: JournalHold, window: Window, counters: Counters) {
    this.#hold = hold;
    this.#window = window;
    this.#counters = counters;
    this.#lastEarlierLetter = hold.journal.deadLetters.lastId;
  }

  get deadLetters(): DeadLetters {
    return this.#hold.journal.deadLetters;
  }

  /** Puts dead letters back among the pending spans, at most so many. Returns how many. */
  revive(ids: LetterIds, limit: number): number {
    const { letters, firstId } = this.#hold.journal.revive(ids, limit);
    const count = letters.length;
    if (count === 0) return 0;
    this.#window.backfill.addBefore(firstId, firstId + count - 1);
    // Those of earlier processes were never accepted by this one.
    const own = letters.filter(({ id }) => id > this.#lastEarlierLetter).length;
    this.#counters.deadLettered -= own;
    this.#counters.recovered += count - own;
    this.#counters.pending += count;
    return count;
  }

  /** At most so many. Returns how many. */
  removeDeadLetters(ids: LetterIds, limit: number): number {
    return this.#hold.journal.removeDeadLetters(ids, limit);
  }

  /** Takes spans of another journal in, together with a mark that says how far they go. */
  adopt(runs: readonly SpanRun[], mark: string, throughId: number): void {
    const { journal } = this.#hold;
    const count = countOf(runs);
    let nextId = journal.idsBefore(count);
    const adopted = runs.map((run) => {
      const copy = run.renumbered(nextId);
      nextId += run.count;
      return copy;
    });
    journal.together(() => {
      journal.restore(adopted);
      journal.meta.set(mark, String(throughId));
    });
    for (const run of runs) run.release();
    this.#window.backfill.addBefore(journal.firstId, nextId - 1);
    this.#counters.recovered += count;
    this.#counters.pending += count;
  }

  /** The dead letters of another journal, and what it says of those that it took over itself. */
  adoptRest(other: Journal): void {
    const { journal } = this.#hold;
    journal.restoreDeadLetters(other.deadLetters.rows().map((letter) => ({ ...letter, id: null })));
    for (const [key, value] of other.meta.startingWith(movesOf("*"))) journal.meta.set(key, value);
  }

  /** The other journal is gone. */
  forgetAdoption(journalId: string): void {
    for (const [key] of this.#hold.journal.meta.startingWith(movesOf(journalId))) this.#hold.journal.meta.forget(key);
  }
}
