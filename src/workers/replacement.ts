import type { Counters } from "../buffer/counters.ts";
import type { Journal } from "../buffer/journal.ts";
import { ringKey } from "../buffer/journal-meta.ts";
import { copyJournal } from "../buffer/journal-copy.ts";
import { describeRescue } from "../buffer/salvage.ts";
import type { SpanRun } from "../buffer/span-run.ts";
import type { Announcer } from "./announcer.ts";
import type { JournalHold } from "./journal-hold.ts";
import { repairJournal } from "./journal-repair.ts";
import type { PumpSetup } from "./messages.ts";
import type { OutcomeRecord } from "./outcome-record.ts";
import type { Rings } from "./rings.ts";
import type { Window } from "./window.ts";

export interface ReplacementParts {
  setup: Pick<PumpSetup, "baseUrl" | "destination">;
  hold: JournalHold;
  window: Window;
  outcomes: OutcomeRecord;
  counters: Counters;
  announcer: Announcer;
}

/** Goes on with another journal, with all pending spans: in a directory that is back, or for one that is damaged. */
export class Replacement {
  readonly #parts: ReplacementParts;

  constructor(parts: ReplacementParts) {
    this.#parts = parts;
  }

  /**
   * To a journal that gets all that this one has and what memory holds.
   *
   * @param make makes it, and has it filled.
   * @param handedOut pending spans that are in no lane.
   * @throws what the disk throws; then everything is as it was.
   */
  move(make: (fill: (journal: Journal) => void) => Journal, handedOut: Iterable<SpanRun>, rings: Rings): void {
    const { hold, window, outcomes } = this.#parts;
    // What is not recorded stays out of the copy, and with the outcomes.
    outcomes.record();
    const inMemory = [...handedOut, ...window];
    const isDone = outcomes.isAllRecorded ? () => false : (id: number) => outcomes.has(id);
    const before = hold.journal;
    const journal = make((target) => {
      copyJournal(before, target, { inMemory, isDone, onProgress: () => rings.lead.countTurn() });
      target.insert([], ...rings.positions);
    });
    this.#goOnWith(journal, inMemory);
    try {
      // Should its file turn up again under another name, nothing in it comes twice.
      if (before.file !== ":memory:") before.clear();
      before.close();
    } catch {
      // Nobody needs it any more.
    }
  }

  /**
   * In the place of the damaged one, with what memory holds and what can still be read.
   *
   * @param handedOut pending spans that are in no lane.
   */
  repair(handedOut: Iterable<SpanRun>, rings: Rings): void {
    const { setup, hold, window, outcomes, counters, announcer } = this.#parts;
    const { baseUrl, destination } = setup;
    const positions = rings.positions.map(({ ringId, sequence }) => [ringKey(ringId), String(sequence)]);
    const unrecorded = outcomes.unrecordedCount;
    const inMemory = [...handedOut, ...window];
    const { journal, rescue, failure } = repairJournal({
      journal: hold.journal,
      error: hold.damage,
      inMemory,
      isDone: (id) => outcomes.has(id),
      onProgress: () => rings.lead.countTurn(),
      meta: {
        journal_id: hold.journal.meta.journalId,
        base_url: baseUrl,
        ...(destination === undefined ? {} : { public_key: destination.publicKey }),
        ...Object.fromEntries(positions),
      },
    });
    this.#goOnWith(journal, inMemory);
    const lost = counters.pending - unrecorded - journal.count;
    counters.pending -= lost;
    counters.droppedDamaged += lost;
    if (rescue !== undefined) {
      announcer.say(rescue.file, "warn", describeRescue({ ...rescue, lost }));
      return;
    }
    const why = `the journal is damaged and cannot be replaced: ${failure?.message}`;
    const what = `${why}; spans are kept in memory only, ${lost} wait in it for the next start`;
    announcer.say("disk", "warn", what);
  }

  #goOnWith(journal: Journal, inMemory: readonly SpanRun[]): void {
    for (const run of inMemory) run.isJournalled = true;
    this.#parts.hold.replace(journal);
  }
}
