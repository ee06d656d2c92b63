/**
 * The one door to SQLite. Nothing else in the package imports the driver, so replacing it, or its types, is a matter
 * of this file. The driver is loaded with the first database that is opened: it is native code and takes 5 ms.
 */
import { createRequire } from "node:module";
import type Database from "better-sqlite3";

// A bundle in the form of CommonJS has no `import.meta.url`.
const require = createRequire(import.meta.url ?? __filename);

export type SqliteDatabase = Database.Database;
export type SqliteStatement<Parameters extends unknown[] = unknown[], Row = unknown> = Database.Statement<
  Parameters,
  Row
>;

export interface OpenDatabaseOptions {
  /** Open an existing file without ever writing to it. Default: false. */
  readonly?: boolean;
  /** How long a statement waits for another connection's lock, in milliseconds. Default: 0, fail at once. */
  busyTimeoutMs?: number;
}

/**
 * Opens a database file; makes it when it is not there, unless `readonly`.
 *
 * @throws the driver's `SqliteError` (with `code`, for example `SQLITE_CANTOPEN`, `SQLITE_NOTADB`).
 */
export function openDatabase(file: string, options: OpenDatabaseOptions = {}): SqliteDatabase {
  const Driver = require("better-sqlite3") as typeof Database;
  return new Driver(file, {
    readonly: options.readonly ?? false,
    fileMustExist: options.readonly ?? false,
    timeout: options.busyTimeoutMs ?? 0,
  });
}

/**
 * Has commits written ahead into a log: a killed process loses nothing that was committed; a power cut may roll the last
 * commits back. @throws the driver's `SqliteError`.
 */
export function useWriteAheadLog(database: SqliteDatabase): void {
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = NORMAL");
}
