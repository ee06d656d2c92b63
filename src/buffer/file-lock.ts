import { closeSync, openSync, rmSync } from "node:fs";
import { openDatabase } from "./sqlite.ts";

/** Held until `release` or the end of the process, however that dies. */
export interface FileLock {
  release(): void;
}

/**
 * Takes the lock that a file stands for; undefined: another holds it. The lock is an exclusive transaction in a tiny
 * SQLite file: the operating system ends it with its owner, also between containers, where process ids say nothing.
 *
 * @throws what the file system or SQLite throws.
 */
export function tryLock(file: string): FileLock | undefined {
  try {
    return lockIt(file);
  } catch (error) {
    if ((error as { code?: string }).code !== "SQLITE_NOTADB") throw error;
    // Overwritten. Nobody can hold it: no database is in it.
    rmSync(file);
    return lockIt(file);
  }
}

function lockIt(file: string): FileLock | undefined {
  createForOwner(file);
  const database = openDatabase(file);
  try {
    database.pragma("journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
    return { release: () => database.close() };
  } catch (error) {
    database.close();
    if ((error as { code?: string }).code === "SQLITE_BUSY") return undefined;
    throw error;
  }
}

/**
 * Makes an empty file that only its owner may read. One that is there is not even opened: closing any descriptor of a
 * file drops all locks that this process holds on it (POSIX), and another buffer of this process may hold one.
 */
export function createForOwner(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
