import { randomUUID } from "node:crypto";
import { closeSync, ftruncateSync, openSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { openDatabase } from "./sqlite.ts";

/** What a file system without locks answers: NFS without its lock service, some of FUSE and SMB. */
const lockFailure = /^SQLITE_(PROTOCOL|NOLFS|IOERR_(LOCK|UNLOCK|RDLOCK|CHECKRESERVEDLOCK))$/;

/** Held until `release` or the end of the process, however that dies. */
export interface FileLock {
  release(): void;
}

/**
 * Takes the lock that a file stands for; undefined: another holds it. The lock is an exclusive transaction in a tiny
 * SQLite file: the operating system ends it with its owner, also between containers, where process ids say nothing.
 *
 * @throws what the file system or SQLite throws; an error that says so when the file system has no working locks.
 */
export function tryLock(file: string): FileLock | undefined {
  const isNew = createForOwner(file);
  const lock = lockOf(file);
  // Another may have been quicker. But where every lock seems to be taken there is no end of new files to try.
  if (lock === undefined && isNew) checkLocks(dirname(file));
  return lock;
}

/**
 * Does another hold the lock that a file stands for? Only reads: whoever comes to take the lock at that very moment may
 * find it taken, for microseconds. A file that is not there, or is none, is not locked.
 */
export function isLocked(file: string): boolean {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const database = openDatabase(file, { readonly: true });
  try {
    database.pragma("schema_version");
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "SQLITE_BUSY";
  } finally {
    database.close();
  }
}

/**
 * Tries locks on a file that nobody else knows, so that nobody can hold its lock; it is removed again.
 *
 * @throws when the directory cannot be written, and an error that says so when its file system has no working locks.
 */
export function checkLocks(directory: string): void {
  const file = join(directory, `lock-${randomUUID()}.trial`);
  createForOwner(file);
  try {
    const lock = lockOf(file);
    if (lock === undefined) throw withoutLocks(directory, "a file that nobody else uses is locked");
    lock.release();
  } finally {
    rmSync(file, { force: true });
  }
}

function lockOf(file: string): FileLock | undefined {
  try {
    return lockDatabase(file);
  } catch (error) {
    if (!/^SQLITE_(NOTADB|CORRUPT)/.test((error as { code?: string }).code ?? "")) throw error;
    // It was overwritten, and nobody holds it: its content was to be read. It is emptied in place, never replaced, and
    // the descriptor stays open for the reason given below.
    ftruncateSync(openSync(file, "r+"));
    return lockDatabase(file);
  }
}

function lockDatabase(file: string): FileLock | undefined {
  const database = openDatabase(file);
  try {
    database.pragma("journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
    return { release: () => database.close() };
  } catch (error) {
    database.close();
    const code = (error as { code?: string }).code ?? "";
    if (code === "SQLITE_BUSY") return undefined;
    throw lockFailure.test(code) ? withoutLocks(dirname(file), code) : error;
  }
}

function withoutLocks(directory: string, reason: string): Error {
  return new Error(
    `the file system of ${directory} has no working locks (${reason}): name a directory on a local disk`,
  );
}

/**
 * Makes an empty file that only its owner may read. One that is there is not even opened: closing any descriptor of a
 * file drops all locks that this process holds on it (POSIX), and another buffer of this process may hold one. Returns
 * whether it is new.
 */
export function createForOwner(file: string): boolean {
  try {
    closeSync(openSync(file, "wx", 0o600));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}
