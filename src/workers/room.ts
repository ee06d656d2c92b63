import type { Counters } from "../buffer/counters.ts";
import type { Announcer } from "./announcer.ts";
import { dropOldest } from "./drop-oldest.ts";
import type { JournalHold } from "./journal-hold.ts";
import type { PumpSetup } from "./messages.ts";
import type { OutcomeRecord } from "./outcome-record.ts";
import type { Window } from "./window.ts";

export interface RoomParts {
  setup: Pick<PumpSetup, "maxDiskBytes" | "overflowPolicy">;
  hold: JournalHold;
  window: Window;
  outcomes: OutcomeRecord;
  counters: Counters;
  announcer: Announcer;
}

/** The disk's share (`maxDiskBytes`), and what goes when it is used up. */
export class Room {
  readonly #parts: RoomParts;

  constructor(parts: RoomParts) {
    this.#parts = parts;
  }

  /** May spans of other journals come? */
  get isForOthers(): boolean {
    const { hold } = this.#parts;
    if (hold.isDiskResting || hold.isDamaged || !hold.isOnDisk) return false;
    return hold.journal.space.usedBytes() < hold.maxFileBytes / 2;
  }

  /** Makes room by the overflow policy. Returns whether there is enough. @throws what the disk throws. */
  make(incomingBytes: number): boolean {
    const { setup, hold, window, outcomes, counters, announcer } = this.#parts;
    const { journal, maxFileBytes } = hold;
    const limit = maxFileBytes - incomingBytes;
    if (journal.space.usedBytes() <= limit) return true;
    // What is acknowledged already may be all the room that is wanted.
    outcomes.recordOrThrow();
    if (journal.space.usedBytes() <= limit) return true;
    announcer.say(
      "disk-full",
      "warn",
      `the journal has reached maxDiskBytes (${setup.maxDiskBytes}): spans are dropped (${setup.overflowPolicy}); raise it, or end the outage`,
    );
    // For what would not fit into an empty journal nothing else must go.
    if (setup.overflowPolicy === "drop-newest" || limit <= 0) return false;
    while (journal.space.usedBytes() > limit) {
      const dropped = dropOldest(journal, window);
      if (dropped === undefined) return false;
      counters.pending -= dropped;
      counters.droppedDiskFull += dropped;
    }
    return true;
  }
}
