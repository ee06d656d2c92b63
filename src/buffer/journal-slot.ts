/**
 * Which file of a directory a process writes: `journal-<n>.sqlite`, guarded by `journal-<n>.lock`, a lock that
 * is held for the process's life (file-lock.ts). So a journal whose lock is free was left behind, and whoever gets the
 * lock adopts it; but only a journal of its own destination (journal-owner.ts).
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { reserveFile } from "./disk-reserve.ts";
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
      const { journal, result: isOurs } = openJournal(file, damaged, (found) => {
        if (found.ringPosition(ringId) === undefined) return false;
        cutMoved(found, otherMetas(file));
        return true;
      });
      if (isOurs) return { journal, file, foreign: [], unusable: [], damaged, release: () => lock.release() };
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

/**
 * Takes a journal of this owner that no living process holds and that has something in it; undefined: there is none.
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
  for (const slot of existingSlots(directory)) {
    const lock = lockSlot(directory, slot);
    if (lock === undefined) continue;
    const file = join(directory, `journal-${slot}.sqlite`);
    try {
      // Another may have been quicker, and removed it: opening it would make a new one that is nobody's.
      if (!isAnythingAt(file)) {
        lock.release();
        continue;
      }
      const takeIfOurs = (found: Journal): boolean => {
        if (!isOwnedBy(found, owner)) return false;
        cutMoved(found, otherMetas(file));
        return true;
      };
      const { journal, result: isOurs } = openJournal(file, damaged, takeIfOurs, onProgress);
      if (isOurs) return { journal, file, foreign: [], unusable: [], damaged, release: () => lock.release() };
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
  for (const path of [file, `${file}-wal`, `${file}-shm`, ownerFile(file), reserveFile(file)]) {
    rmSync(path, { force: true });
  }
  slot.release();
}

/** The ids of all journals in a directory, as far as they can be read, whoever holds them. */
export function journalIdsIn(directory: string): Set<string> {
  const ids = new Set<string>();
  for (const meta of metasIn(directory)) {
    const id = meta.get("journal_id");
    if (id !== undefined) ids.add(id);
  }
  return ids;
}

/** What the other journals beside this one say of themselves. */
function otherMetas(file: string): Generator<ReadonlyMap<string, string>> {
  return metasIn(dirname(file), file);
}

/** What the journals of a directory say of themselves, as far as they can be read, whoever holds them. */
function* metasIn(directory: string, except?: string): Generator<ReadonlyMap<string, string>> {
  for (const slot of existingSlots(directory)) {
    const file = join(directory, `journal-${slot}.sqlite`);
    if (file === except) continue;
    try {
      yield readMeta(file);
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

/** Of a larger journal the check at the start would keep new spans waiting for more than a twentieth of a second. */
const maxCheckedBytes = 64 * 1024 * 1024;

interface Opened<Result> {
  journal: Journal;
  result: Result;
}

/**
 * Opens the journal and makes the first use of it; one that turns out to be damaged in either is replaced by a fresh one
 * with all that can be read of it. A write-ahead log whose database is gone is set aside: SQLite would delete it.
 */
function openJournal<Result>(
  file: string,
  damaged: JournalSlot["damaged"],
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
    if (journal.fileBytes() <= maxCheckedBytes) journal.check();
    return { journal, result: use(journal) };
  } catch (error) {
    journal.close();
    throw error;
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
