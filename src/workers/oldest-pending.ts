import type { Journal } from "../buffer/journal.ts";
import type { AcceptanceClock } from "./acceptance-clock.ts";
import type { JournalHold } from "./journal-hold.ts";
import type { Window } from "./window.ts";

/** When a span was accepted, in milliseconds since 1970. */
export interface AcceptedSpan {
  id: number;
  acceptedAtMs: number;
}

/** Since when the oldest pending span waits. */
export class OldestPending {
  readonly #hold: JournalHold;
  readonly #window: Window;
  readonly #clock: AcceptanceClock;
  /** As read from the journal: asked for at every turn, and seldom another. */
  #ofBackfill: (AcceptedSpan & { journal: Journal }) | undefined;

  constructor(hold: JournalHold, window: Window, clock: AcceptanceClock) {
    this.#hold = hold;
    this.#window = window;
    this.#clock = clock;
  }

  /**
   * In milliseconds since 1970; 0: nothing is pending.
   *
   * @param handedOut the oldest span that is in no lane.
   */
  atMs(handedOut: AcceptedSpan | undefined): number {
    const oldest = oldestOf(handedOut, oldestOf(this.#oldestOfBackfill(), this.#oldestOfLive()));
    return oldest === undefined ? 0 : this.#clock.steadyAtMs(oldest.id, oldest.acceptedAtMs);
  }

  #oldestOfLive(): AcceptedSpan | undefined {
    const { oldest } = this.#window;
    return oldest === undefined ? undefined : { id: oldest.firstId, acceptedAtMs: oldest.acceptedAtMs };
  }

  #oldestOfBackfill(): AcceptedSpan | undefined {
    const range = this.#window.backfill.first;
    if (range === undefined) return undefined;
    const { journal, isDiskResting } = this.#hold;
    const isKnown = this.#ofBackfill?.id === range.from && this.#ofBackfill.journal === journal;
    if (!isKnown && !isDiskResting) {
      const acceptedAtMs = this.#hold.attempt(() => journal.acceptedAtMs(range.from, range.through));
      this.#ofBackfill = acceptedAtMs === undefined ? undefined : { id: range.from, acceptedAtMs, journal };
    }
    return this.#ofBackfill;
  }
}

/** By the ids, which grow in the order of acceptance: the wall clock may have been set since. */
function oldestOf(one: AcceptedSpan | undefined, other: AcceptedSpan | undefined): AcceptedSpan | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.id <= other.id ? one : other;
}
