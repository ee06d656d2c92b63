/** Opens one journal, and mends what is wrong with it on the way. */
import { existsSync, statSync } from "node:fs";
import { isDamage, reasonOf } from "./damage.ts";
import { createForOwner } from "./file-lock.ts";
import { Journal } from "./journal.ts";
import { ownerOf, readOwnerFile, writeOwner } from "./journal-owner.ts";
import { NewerJournalError } from "./journal-schema.ts";
import { type Rescue, rebuildJournal, removeDatabase, setAsideFile, settleRescue } from "./salvage.ts";

export interface Opened<Result> {
  journal: Journal;
  result: Result;
}

/**
 * Opens the journal and makes the first use of it; one that turns out to be damaged in either is replaced by a fresh one
 * with all that can be read of it. A write-ahead log whose database is gone is set aside: SQLite would delete it.
 */
export function openJournal<Result>(
  file: string,
  damaged: Rescue[],
  use: (journal: Journal) => Result,
  onProgress: () => void = () => undefined,
): Opened<Result> {
  settleRescue(file);
  removeDatabase(unfinishedFile(file));
  const isEmpty = !existsSync(file) || statSync(file).size === 0;
  if (isEmpty && existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0) {
    damaged.push({ file, spans: 0, lost: 0, deadLetters: 0, setAside: setAsideFile(file, "wal-without-database") });
  }
  createForOwner(file);
  try {
    return useJournal(new Journal(file), use);
  } catch (error) {
    if (!isDamage(error)) throw error;
    damaged.push(rebuildJournal(file, reasonOf(error), { inMemory: [], isDone: () => false, onProgress }));
    const journal = new Journal(file);
    if (ownerOf(journal) === undefined && journal.count > 0) writeOwner(journal, readOwnerFile(file));
    return useJournal(journal, use);
  }
}

function useJournal<Result>(journal: Journal, use: (journal: Journal) => Result): Opened<Result> {
  try {
    journal.check();
    return { journal, result: use(journal) };
  } catch (error) {
    journal.close();
    throw error;
  }
}

/** Under this name `makeJournalSlot` fills a journal. */
export function unfinishedFile(file: string): string {
  return file.replace(/\.sqlite$/, ".unfinished.sqlite");
}

export function isAnythingAt(file: string): boolean {
  return existsSync(file) || existsSync(`${file}-wal`);
}

/** A fault of this one file, as opposed to a directory or a disk that would refuse any other as well. */
export function isJournalAtFault(error: unknown, file: string): boolean {
  return error instanceof NewerJournalError || (existsSync(file) && !statSync(file).isFile());
}
