/**
 * A journal as others see it: read only, whoever holds it. Every read is a short statement of its own, because a long
 * one would keep the owner from carrying its write-ahead log over; so two reads may see two states.
 */
import { DeadLetters } from "./dead-letters.ts";
import { structureComplaint, wholeStructureComplaint } from "./damage.ts";
import { versionOf } from "./journal-schema.ts";
import { SpanReader, type StoredSpan } from "./span-reader.ts";
import { openDatabase, type SqliteDatabase } from "./sqlite.ts";

/** How long a read waits for its owner, who locks readers out only while a log is recovered. */
const busyTimeoutMs = 2_000;

export class JournalView {
  /** To be read only: its writing methods throw. */
  readonly deadLetters: DeadLetters;
  readonly #database: SqliteDatabase;
  readonly #reader: SpanReader;

  /** @throws what SQLite throws, also for damage; NewerJournalError. */
  constructor(file: string) {
    const database = openDatabase(file, { readonly: true, busyTimeoutMs });
    try {
      versionOf(database);
      this.#database = database;
      this.#reader = new SpanReader(database);
      this.deadLetters = new DeadLetters(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Spans waiting as the journal says and as there are, both of one moment. Reads the whole table. */
  counted(): { said: number; found: number } {
    const sql = `SELECT (SELECT value FROM meta WHERE key = 'span_count') AS said, (SELECT count(*) FROM spans) AS found`;
    const { said, found } = this.#database.prepare(sql).get() as { said: string | null; found: number };
    return { said: Number(said ?? Number.NaN), found };
  }

  /** Every span, oldest first. @throws DamagedRowsError, and what SQLite throws. */
  spans(): Generator<StoredSpan> {
    return this.#reader.all();
  }

  /** SQLite's first complaint about the structure. @param isWhole of a file of any size, its indexes included. */
  complaint(isWhole: boolean): string | undefined {
    return isWhole ? wholeStructureComplaint(this.#database) : structureComplaint(this.#database);
  }

  close(): void {
    this.#database.close();
  }
}
