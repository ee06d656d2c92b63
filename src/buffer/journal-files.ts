/**
 * The files of a directory of journals, by name:
 *
 *     journal-<n>.sqlite (-wal, -shm)   a journal
 *     journal-<n>.lock                  held by the process that has it in use (file-lock.ts)
 *     journal-<n>.owner                 whose it is (journal-owner.ts)
 *     journal-<n>.reserve               room for a full disk (disk-reserve.ts)
 *     journal-<n>.request, .answer      for a moment: what the command line wants (src/workers/letter-request.ts)
 *
 * and for a moment journal-<n>.unfinished.sqlite, one that is being filled, and journal-<n>.rescue.sqlite (salvage.ts).
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { crashLogsIn } from "./crash-log-file.ts";
import { reserveFile } from "./disk-reserve.ts";
import { isSameOwner, type JournalOwner, ownerFile, readOwnerFile } from "./journal-owner.ts";
import { numbersIn } from "./numbered-files.ts";
import { removeDatabase } from "./salvage.ts";
import { isSpill } from "./spill.ts";

const slotName = /^journal-(\d+)\.sqlite$/;

export function journalFile(directory: string, slot: number): string {
  return join(directory, `journal-${slot}.sqlite`);
}

export function journalLockFile(directory: string, slot: number): string {
  return join(directory, `journal-${slot}.lock`);
}

/** The numbers of the journals that are there. @throws what the file system throws. */
export function journalSlotsIn(directory: string): number[] {
  return numbersIn(directory, slotName);
}

/** Removes a journal that nobody has open, with all that belongs to it but its lock. */
export function removeJournalFiles(file: string): void {
  removeDatabase(file);
  for (const path of [ownerFile(file), reserveFile(file)]) rmSync(path, { force: true });
}

/** Are there journals of this owner, or of nobody, or what a process left at its end? */
export function hasLeftovers(directory: string, owner: JournalOwner): boolean {
  if (!existsSync(directory)) return false;
  if (crashLogsIn(directory).size > 0 || readdirSync(directory).some(isSpill)) return true;
  return journalSlotsIn(directory).some((slot) => {
    const file = journalFile(directory, slot);
    return !existsSync(ownerFile(file)) || isSameOwner(readOwnerFile(file), owner);
  });
}
