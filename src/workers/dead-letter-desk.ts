import type { StoredLetter } from "../buffer/dead-letters.ts";
import { identityOf, storedObject } from "../buffer/stored-identity.ts";
import type { DeadLetterCommand, DeadLetterSummary } from "./messages.ts";
import type { Readmission } from "./readmission.ts";

/** Letters that are moved or removed in one transaction: some milliseconds of the pump's time. */
const chunkLetters = 500;

/** What holds the letters: the store of a pump, or a journal that no process holds. */
export type LetterAccess = Pick<Readmission, "deadLetters" | "revive" | "removeDeadLetters">;

/** Does what the caller wants done with dead letters. Never throws. */
export function attend(
  command: DeadLetterCommand,
  letters: LetterAccess,
): { result: unknown; error: string | undefined } {
  try {
    return { result: resultOf(command, letters), error: undefined };
  } catch (error) {
    return { result: undefined, error: (error as Error).message };
  }
}

function resultOf(command: DeadLetterCommand, letters: LetterAccess): unknown {
  switch (command.name) {
    case "list":
      return letters.deadLetters.list(command.limit, command.before).map(summaryOf);
    case "get": {
      const letter = letters.deadLetters.get(command.id);
      return letter === undefined ? undefined : { ...summaryOf(letter), span: storedObject(letter.payload) };
    }
    case "retry":
      return inChunks(command.ids, (ids) => letters.revive(ids, chunkLetters));
    default:
      return inChunks(command.ids, (ids) => letters.removeDeadLetters(ids, chunkLetters));
  }
}

/** Until all are done. Returns how many there were. */
function inChunks(ids: readonly number[] | "all", action: (ids: readonly number[] | "all") => number): number {
  let total = 0;
  if (ids === "all") {
    for (let count = action(ids); count > 0; count = action(ids)) total += count;
    return total;
  }
  for (let from = 0; from < ids.length; from += chunkLetters) total += action(ids.slice(from, from + chunkLetters));
  return total;
}

function summaryOf(letter: StoredLetter): DeadLetterSummary {
  const { id, diedAtMs, acceptedAtMs, status, reason, payload } = letter;
  return {
    id,
    ...identityOf(storedObject(payload) ?? {}),
    status: status ?? undefined,
    reason,
    diedAtMs,
    acceptedAtMs,
    bytes: payload.length,
  };
}
