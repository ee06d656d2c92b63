import { type SqliteDatabase, useWriteAheadLog } from "./sqlite.ts";

/**
 * The journal's file format. `PRAGMA user_version` is the number of migrations that have been applied; each runs once,
 * in a transaction of its own together with that number, so a crash in the middle leaves the older version whole.
 *
 * - `spans`: what the server has not acknowledged, in the order of `end()`. `payload` is the UTF-8 JSON of a
 *   `SpanPayload`. Ids grow and are never used twice while a row with a higher id is there.
 * - `dead_letters`: what the server will never take, with its words.
 * - `meta`: `base_url` and `public_key` (whose spans these are; no secret), `journal_id`, `ring:<id>` (number of the last
 *   frame of that ring that is committed, so that nobody repeats one), `spill:<file>` (spill files that are already in), `moved:<id>:<cuts>` and `cuts` (takeover.ts),
 *   `span_count` (rows of `spans`: counting millions of them at start would take seconds).
 */
const migrations: readonly string[] = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE spans (id INTEGER PRIMARY KEY, accepted_at_ms INTEGER NOT NULL, payload BLOB NOT NULL);
   CREATE TABLE dead_letters (
     id INTEGER PRIMARY KEY,
     died_at_ms INTEGER NOT NULL,
     accepted_at_ms INTEGER NOT NULL,
     status INTEGER,
     reason TEXT NOT NULL,
     payload BLOB NOT NULL
   );
   INSERT INTO meta (key, value) VALUES ('span_count', '0');`,
];

const journalVersion: number = migrations.length;

/** A journal written by a later version of this package: it is left alone. */
export class NewerJournalError extends Error {
  constructor(version: number) {
    super(
      `journal has version ${version}, this package knows up to ${journalVersion}: use a newer langfuse-span-buffer`,
    );
    this.name = "NewerJournalError";
  }
}

/** More migrations than this package will ever have: the number itself is damaged. */
const maxPlausibleVersion = 10_000;

/** The journal's version is none that anybody has written. */
export class ImplausibleVersionError extends Error {
  override readonly name = "ImplausibleVersionError";
}

/** Of a new file; an older one keeps its own. A commit costs by the page, and spans are a kilobyte: 4 KiB cost twice. */
const pageSizeBytes = 8192;

/** Sets the connection up and brings the schema to the current version. */
export function prepareJournal(database: SqliteDatabase): void {
  // These two before WAL: afterwards SQLite ignores them without a word, and freed pages would never go back to the disk.
  database.pragma(`page_size = ${pageSizeBytes}`);
  database.pragma("auto_vacuum = INCREMENTAL");
  useWriteAheadLog(database);
  database.pragma("temp_store = MEMORY");
  database.pragma("cache_size = -8000");
  for (let next = versionOf(database); next < migrations.length; next++) {
    database.transaction(() => {
      database.exec(migrations[next] as string);
      database.pragma(`user_version = ${next + 1}`);
    })();
  }
}

/**
 * The version of a journal, 0: nothing was made in it yet.
 *
 * @throws NewerJournalError, ImplausibleVersionError, and what SQLite throws.
 */
export function versionOf(database: SqliteDatabase): number {
  const version = database.pragma("user_version", { simple: true }) as number;
  if (version < 0 || version > maxPlausibleVersion) throw new ImplausibleVersionError(`journal version ${version}`);
  if (version > journalVersion) throw new NewerJournalError(version);
  return version;
}
