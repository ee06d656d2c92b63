import type { Journal } from "../../buffer/journal.ts";
import { takeSlot } from "../../buffer/journal-slot.ts";
import { describeRescue, type Rescue } from "../../buffer/salvage.ts";
import { exitCodes } from "../exit-codes.ts";
import { CommandError } from "./command-error.ts";
import { note } from "./journal-command.ts";
import type { Place } from "./places.ts";

/**
 * Changes a journal as its only holder. What start-up does with a damaged one is done before, and said.
 *
 * @throws CommandError when a living process holds it, or it is gone.
 */
export function withJournal<Result>({ file, directory, slot }: Place, change: (journal: Journal) => Result): Result {
  const damaged: Rescue[] = [];
  try {
    const taken = takeSlot(directory, slot, () => true, damaged);
    if (taken === undefined) throw new CommandError(`${file} is held by a living process`, exitCodes.inUse);
    try {
      return change(taken.journal);
    } finally {
      taken.journal.close();
      taken.release();
    }
  } finally {
    for (const rescue of damaged) note(describeRescue(rescue));
  }
}
