/**
 * Which file of a directory a process writes: `journal-<n>.sqlite`, guarded by `journal-<n>.lock`, a lock that
 * is held for the process's life (file-lock.ts). So a journal whose lock is free was left behind, and whoever gets the
 * lock adopts it; but only a journal of its own destination (journal-owner.ts).
 */
import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { createForOwner, type FileLock, tryLock } from "./file-lock.ts";
import { Journal } from "./journal.ts";
import { journalFile, journalLockFile, journalSlotsIn, removeJournalFiles } from "./journal-files.ts";
import { otherMetas } from "./journal-metas.ts";
import {
  isNamedBeside,
  isSameOwner,
  type JournalOwner,
  ownerFile,
  ownerOf,
  writeOwner,
  writeOwnerFile,
} from "./journal-owner.ts";
import { existingFirst } from "./numbered-files.ts";
import { isAnythingAt, isJournalAtFault, type Opened, openJournal, unfinishedFile } from "./open-journal.ts";
import { closeWhole, type Rescue, removeDatabase } from "./salvage.ts";
import { cutMoved } from "./takeover.ts";

export interface JournalSlot {
  journal: Journal;
  file: string;
  /** Spans in journals of this directory that belong to other destinations and that no living process holds. */
  foreign: { file: string; count: number; owner: JournalOwner }[];
  /** Journals that could not be opened, with the reason. They are left as they are. */
  unusable: { file: string; reason: string }[];
  /** Journals that were damaged, and what became of them. */
  damaged: Rescue[];
  release(): void;
}

/** More journals than this in one directory mean that something else is wrong. */
const maxSlots = 10_000;

/**
 * Takes the first free journal of this owner, or a new one. Makes the directory if need be, for its owner only.
 *
 * @param ringId whose spans are to come; `retakeJournalSlot` finds the journal by it.
 * @param onProgress called now and then while a damaged journal is rescued.
 * @throws when the directory cannot be made or written, or SQLite cannot open the file.
 */
export function takeJournalSlot(
  directory: string,
  owner: JournalOwner,
  ringId: string,
  onProgress: () => void = () => undefined,
): JournalSlot {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const foreign: JournalSlot["foreign"] = [];
  const unusable: JournalSlot["unusable"] = [];
  const damaged: JournalSlot["damaged"] = [];
  for (const slot of existingFirst(journalSlotsIn(directory), maxSlots)) {
    const lock = lockSlot(directory, slot);
    if (lock === undefined) continue;
    const file = journalFile(directory, slot);
    let opened: Opened<JournalOwner | undefined>;
    try {
      opened = openJournal(file, damaged, (journal) => makeOwn(journal, owner, ringId), onProgress);
    } catch (error) {
      lock.release();
      if (!isJournalAtFault(error, file)) throw error;
      unusable.push({ file, reason: (error as Error).message });
      continue;
    }
    const { journal, result: other } = opened;
    if (other !== undefined) {
      if (journal.count > 0) foreign.push({ file, count: journal.count, owner: other });
      journal.close();
      lock.release();
      continue;
    }
    return { journal, file, foreign, unusable, damaged, release: () => lock.release() };
  }
  throw new Error(`all ${maxSlots} journals of ${directory} are in use`);
}

/** Takes an open journal for this owner and ring. Returns whose it is when it is another's. */
function makeOwn(journal: Journal, owner: JournalOwner, ringId: string): JournalOwner | undefined {
  const { file } = journal;
  if (!isOwnedBy(journal, owner) && ownerOf(journal) !== undefined) return ownerOf(journal);
  cutMoved(journal, otherMetas(file));
  writeOwner(journal, owner);
  writeOwnerFile(file, owner);
  // Whoever follows a pump that crashed looks for this.
  journal.openRing(ringId);
  return undefined;
}

function isNobodys(journal: Journal): boolean {
  return ownerOf(journal) === undefined && !existsSync(ownerFile(journal.file)) && journal.count === 0;
}

function isOwnedBy(journal: Journal, owner: JournalOwner): boolean {
  const found = ownerOf(journal);
  return (found !== undefined && isSameOwner(found, owner)) || isNamedBeside(journal.file, owner);
}

/**
 * Makes a journal where there is none, complete from the first moment on that it bears its name: a process that dies
 * in `fill` leaves nothing.
 *
 * @throws as `takeJournalSlot`, and what `fill` throws.
 */
export function makeJournalSlot(directory: string, owner: JournalOwner, fill: (journal: Journal) => void): JournalSlot {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (let slot = 1; slot <= maxSlots; slot++) {
    const file = journalFile(directory, slot);
    if (isAnythingAt(file)) continue;
    const lock = lockSlot(directory, slot);
    if (lock === undefined) continue;
    try {
      // Until then another may have had the lock, and made one.
      if (!isAnythingAt(file)) {
        const unfinished = unfinishedFile(file);
        removeDatabase(unfinished);
        fillJournal(unfinished, owner, fill);
        writeOwnerFile(file, owner);
        renameSync(unfinished, file);
        const journal = new Journal(file);
        return { journal, file, foreign: [], unusable: [], damaged: [], release: () => lock.release() };
      }
    } catch (error) {
      removeQuietly(unfinishedFile(file));
      lock.release();
      throw error;
    }
    lock.release();
  }
  throw new Error(`all ${maxSlots} journals of ${directory} are in use`);
}

function fillJournal(file: string, owner: JournalOwner, fill: (journal: Journal) => void): void {
  createForOwner(file);
  const journal = new Journal(file);
  try {
    writeOwner(journal, owner);
    fill(journal);
    closeWhole(journal);
  } catch (error) {
    journal.close();
    throw error;
  }
}

/**
 * Takes the journal that an earlier pump of this ring wrote; undefined when there is none, or when that pump has not
 * let go of it yet.
 *
 * @throws as `takeJournalSlot`, and when the journal itself cannot be opened.
 */
export function retakeJournalSlot(directory: string, ringId: string): JournalSlot | undefined {
  const isOfRing = (journal: Journal): boolean => journal.meta.ringPosition(ringId) !== undefined;
  return takeExisting(directory, isOfRing, [], () => undefined);
}

/**
 * Takes a journal of this owner that no living process holds, or one that is nobody's, since its process was killed before it
 * could say so; undefined: there is none.
 *
 * @param damaged gets what became of damaged journals, also of those that turn out to be another's.
 * @param onProgress called now and then while a damaged journal is rescued.
 * @throws what the disk throws.
 */
export function takeOrphan(
  directory: string,
  owner: JournalOwner,
  damaged: Rescue[],
  onProgress: () => void,
): JournalSlot | undefined {
  const isWanted = (journal: Journal): boolean => isOwnedBy(journal, owner) || isNobodys(journal);
  return takeExisting(directory, isWanted, damaged, onProgress);
}

function takeExisting(
  directory: string,
  isWanted: (journal: Journal) => boolean,
  damaged: Rescue[],
  onProgress: () => void,
): JournalSlot | undefined {
  for (const slot of journalSlotsIn(directory)) {
    try {
      const taken = takeSlot(directory, slot, isWanted, damaged, onProgress);
      if (taken !== undefined) return taken;
    } catch (error) {
      if (!isJournalAtFault(error, journalFile(directory, slot))) throw error;
    }
  }
  return undefined;
}

/**
 * Takes one journal, whoever owns it; undefined: a living process holds it, it is not there (any more), or not wanted.
 *
 * @param isWanted the first use of the journal: what it throws for damage has the journal replaced, and is asked again.
 * @param damaged gets what became of a damaged journal, also of one that is not wanted.
 * @param onProgress called now and then while a damaged journal is rescued.
 * @throws what the disk throws; NewerJournalError.
 */
export function takeSlot(
  directory: string,
  slot: number,
  isWanted: (journal: Journal) => boolean,
  damaged: Rescue[],
  onProgress: () => void = () => undefined,
): JournalSlot | undefined {
  const lock = lockSlot(directory, slot);
  if (lock === undefined) return undefined;
  const file = journalFile(directory, slot);
  const takeIfWanted = (found: Journal): boolean => {
    if (!isWanted(found)) return false;
    cutMoved(found, otherMetas(file));
    return true;
  };
  try {
    // Another may have been quicker, and removed it: opening it would make a new one that is nobody's.
    if (isAnythingAt(file)) {
      const { journal, result: isTaken } = openJournal(file, damaged, takeIfWanted, onProgress);
      if (isTaken) return { journal, file, foreign: [], unusable: [], damaged, release: () => lock.release() };
      journal.close();
    }
  } catch (error) {
    lock.release();
    throw error;
  }
  lock.release();
  return undefined;
}

/** Removes an empty journal, and gives its slot free. */
export function removeJournal(slot: JournalSlot): void {
  slot.journal.close();
  removeJournalFiles(slot.file);
  slot.release();
}

/** Undefined: another holds it, or something that is no file stands in its place. */
function lockSlot(directory: string, slot: number): FileLock | undefined {
  const file = journalLockFile(directory, slot);
  try {
    return tryLock(file);
  } catch (error) {
    if (existsSync(file) && !statSync(file).isFile()) return undefined;
    throw error;
  }
}

function removeQuietly(file: string): void {
  try {
    removeDatabase(file);
  } catch {
    // Whoever takes the slot next removes it.
  }
}
