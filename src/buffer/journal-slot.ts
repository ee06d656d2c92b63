/**
 * Which file of a directory a process writes: `journal-<n>.sqlite`, guarded by `journal-<n>.lock`, a lock that
 * is held for the process's life (file-lock.ts). So a journal whose lock is free was left behind, and whoever gets the
 * lock adopts it; but only a journal of its own destination (journal-owner.ts).
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { createForOwner, type FileLock, tryLock } from "./file-lock.ts";
import { Journal } from "./journal.ts";
import {
  isNamedBeside,
  isSameOwner,
  type JournalOwner,
  ownerFile,
  ownerOf,
  readOwnerFile,
  writeOwner,
  writeOwnerFile,
} from "./journal-owner.ts";
import { NewerJournalError } from "./journal-schema.ts";
import {
  closeWhole,
  isDamage,
  type Rescue,
  reasonOf,
  rebuildJournal,
  removeDatabase,
  setAsideFile,
  settleRescue,
} from "./salvage.ts";
import { openDatabase } from "./sqlite.ts";
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

const slotName = /^journal-(\d+)\.sqlite$/;

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
  for (const slot of slotsOf(directory)) {
    const lock = lockSlot(directory, slot);
    if (lock === undefined) continue;
    const file = join(directory, `journal-${slot}.sqlite`);
    let journal: Journal;
    try {
      journal = openJournal(file, damaged, onProgress);
    } catch (error) {
      lock.release();
      if (!isJournalAtFault(error, file)) throw error;
      unusable.push({ file, reason: (error as Error).message });
      continue;
    }
    const found = ownerOf(journal);
    if (found !== undefined && !isSameOwner(found, owner) && !isNamedBeside(file, owner)) {
      if (journal.count > 0) foreign.push({ file, count: journal.count, owner: found });
      journal.close();
      lock.release();
      continue;
    }
    cutMoved(journal, otherMetas(directory, slot));
    writeOwner(journal, owner);
    writeOwnerFile(file, owner);
    // Whoever follows a pump that crashed looks for this.
    journal.openRing(ringId);
    return { journal, file, foreign, unusable, damaged, release: () => lock.release() };
  }
  throw new Error(`all ${maxSlots} journals of ${directory} are in use`);
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
    const file = join(directory, `journal-${slot}.sqlite`);
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
  for (const slot of existingSlots(directory)) {
    const lock = lockSlot(directory, slot);
    if (lock === undefined) continue;
    const file = join(directory, `journal-${slot}.sqlite`);
    const damaged: JournalSlot["damaged"] = [];
    try {
      const journal = openJournal(file, damaged);
      if (journal.ringPosition(ringId) !== undefined) {
        cutMoved(journal, otherMetas(directory, slot));
        return { journal, file, foreign: [], unusable: [], damaged, release: () => lock.release() };
      }
      journal.close();
    } catch (error) {
      if (!isJournalAtFault(error, file)) throw error;
    }
    lock.release();
  }
  return undefined;
}

/**
 * Takes a journal of this owner that no living process holds and that has something in it; undefined: there is none.
 *
 * @throws what the disk throws.
 */
export function takeOrphan(directory: string, owner: JournalOwner): JournalSlot | undefined {
  for (const slot of existingSlots(directory)) {
    const lock = lockSlot(directory, slot);
    if (lock === undefined) continue;
    const file = join(directory, `journal-${slot}.sqlite`);
    const damaged: JournalSlot["damaged"] = [];
    try {
      // Another may have been quicker, and removed it: opening it would make a new one that is nobody's.
      if (!isAnythingAt(file)) {
        lock.release();
        continue;
      }
      const journal = openJournal(file, damaged);
      const found = ownerOf(journal);
      if ((found !== undefined && isSameOwner(found, owner)) || isNamedBeside(file, owner)) {
        cutMoved(journal, otherMetas(directory, slot));
        return { journal, file, foreign: [], unusable: [], damaged, release: () => lock.release() };
      }
      journal.close();
    } catch (error) {
      if (!isJournalAtFault(error, file)) {
        lock.release();
        throw error;
      }
    }
    lock.release();
  }
  return undefined;
}

/** Removes an empty journal, and gives its slot free. */
export function removeJournal(slot: JournalSlot): void {
  const { file } = slot;
  slot.journal.close();
  for (const path of [file, `${file}-wal`, `${file}-shm`, ownerFile(file)]) rmSync(path, { force: true });
  slot.release();
}

/** The ids of all journals in a directory, as far as they can be read, whoever holds them. */
export function journalIdsIn(directory: string): Set<string> {
  const ids = new Set<string>();
  for (const meta of otherMetas(directory)) {
    const id = meta.get("journal_id");
    if (id !== undefined) ids.add(id);
  }
  return ids;
}

/** What all journals of a directory but one say of themselves, as far as they can be read, whoever holds them. */
function* otherMetas(directory: string, exceptSlot?: number): Generator<ReadonlyMap<string, string>> {
  for (const slot of existingSlots(directory)) {
    if (slot === exceptSlot) continue;
    try {
      yield readMeta(join(directory, `journal-${slot}.sqlite`));
    } catch {
      // Empty or damaged: what it has taken can no longer be told.
    }
  }
}

function readMeta(file: string): ReadonlyMap<string, string> {
  const database = openDatabase(file, { readonly: true, busyTimeoutMs: 1_000 });
  try {
    return new Map(database.prepare("SELECT key, value FROM meta").raw().all() as [string, string][]);
  } finally {
    database.close();
  }
}

/** Existing slots first, so that what was left behind is found before anything new is made. */
function* slotsOf(directory: string): Generator<number> {
  const existing = new Set(existingSlots(directory));
  yield* existing;
  for (let slot = 1; slot <= maxSlots; slot++) if (!existing.has(slot)) yield slot;
}

function existingSlots(directory: string): number[] {
  return readdirSync(directory)
    .map((name) => slotName.exec(name)?.[1])
    .filter((slot) => slot !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Undefined: another holds it, or something that is no file stands in its place. */
function lockSlot(directory: string, slot: number): FileLock | undefined {
  const file = join(directory, `journal-${slot}.lock`);
  try {
    return tryLock(file);
  } catch (error) {
    if (existsSync(file) && !statSync(file).isFile()) return undefined;
    throw error;
  }
}

/**
 * Opens the journal; one that is damaged is replaced by a fresh one with all that can be read of it. A write-ahead log
 * whose database is gone is set aside: SQLite would delete it.
 */
function openJournal(file: string, damaged: JournalSlot["damaged"], onProgress: () => void = () => undefined): Journal {
  settleRescue(file);
  removeDatabase(unfinishedFile(file));
  const isEmpty = !existsSync(file) || statSync(file).size === 0;
  if (isEmpty && existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0) {
    damaged.push({ spans: 0, lost: 0, deadLetters: 0, setAside: setAsideFile(file, "wal-without-database") });
  }
  createForOwner(file);
  try {
    return new Journal(file);
  } catch (error) {
    if (!isDamage(error)) throw error;
    damaged.push(rebuildJournal(file, reasonOf(error), { inMemory: [], isDone: () => false, onProgress }));
    const journal = new Journal(file);
    if (ownerOf(journal) === undefined && journal.count > 0) writeOwner(journal, readOwnerFile(file));
    return journal;
  }
}

/** Under this name `makeJournalSlot` fills a journal. */
function unfinishedFile(file: string): string {
  return file.replace(/\.sqlite$/, ".unfinished.sqlite");
}

function isAnythingAt(file: string): boolean {
  return existsSync(file) || existsSync(`${file}-wal`);
}

function removeQuietly(file: string): void {
  try {
    removeDatabase(file);
  } catch {
    // Whoever takes the slot next removes it.
  }
}

/** A fault of this one file, as opposed to a directory or a disk that would refuse any other as well. */
function isJournalAtFault(error: unknown, file: string): boolean {
  return error instanceof NewerJournalError || (existsSync(file) && !statSync(file).isFile());
}
