/** The dead letters of one journal, whoever holds it. */
import type { Journal } from "../../buffer/journal.ts";
import { JournalView } from "../../buffer/journal-view.ts";
import { DeadLetterBox } from "../../dead-letters.ts";
import { attend, type LetterAccess } from "../../workers/dead-letter-desk.ts";
import { askHolder } from "../../workers/letter-request.ts";
import type { DeadLetterCommand } from "../../workers/messages.ts";
import type { Place } from "./places.ts";
import { withJournal } from "./taken-journal.ts";

/** How long a living process may take: it looks once a second, and a full table takes seconds. */
const holderLimitMs = 15_000;

/** Lists and shows by reading alone. Retries and removes as the holder, or has the process do it that is. */
export function letterBox(place: Place): DeadLetterBox {
  return new DeadLetterBox(async (command) => {
    const isChange = command.name === "retry" || command.name === "remove";
    if (!isChange) return attendByReading(place, command);
    if (place.isHeld) return await askHolder(place.file, command, holderLimitMs);
    return withJournal(place, (journal) => resultOf(command, asHolder(journal)));
  });
}

function attendByReading({ file }: Place, command: DeadLetterCommand): unknown {
  const view = new JournalView(file);
  try {
    return resultOf(command, { deadLetters: view.deadLetters, revive: readOnly, removeDeadLetters: readOnly });
  } finally {
    view.close();
  }
}

function asHolder(journal: Journal): LetterAccess {
  return {
    deadLetters: journal.deadLetters,
    revive: (ids, limit) => journal.revive(ids, limit).letters.length,
    removeDeadLetters: (ids, limit) => journal.removeDeadLetters(ids, limit),
  };
}

function readOnly(): never {
  throw new Error("a reader changes nothing");
}

function resultOf(command: DeadLetterCommand, letters: LetterAccess): unknown {
  const { result, error } = attend(command, letters);
  if (error !== undefined) throw new Error(error);
  return result;
}
