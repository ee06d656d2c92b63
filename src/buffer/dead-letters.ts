import type { SpanRun } from "./span-run.ts";
import type { SqliteDatabase, SqliteStatement } from "./sqlite.ts";

/** A span on its way to the dead letters. */
export interface DeadLetter {
  /** One span. */
  span: SpanRun;
  status: number | undefined;
  reason: string;
}

/** A row of the table. */
export interface StoredLetter {
  id: number;
  diedAtMs: number;
  acceptedAtMs: number;
  /** HTTP status of the answer; null: there was none. */
  status: number | null;
  /** The server's words, or ours. */
  reason: string;
  payload: Buffer;
}

/** A row with all its columns, under their names; of a damaged file some may be missing. */
export type DeadLetterRow = Readonly<Record<string, unknown>>;

/** Which letters: by id, or all of them. */
export type LetterIds = readonly number[] | "all";

/** What a row takes beside its texts, roughly. */
const rowBytes = 64;

const columns = "id, died_at_ms AS diedAtMs, accepted_at_ms AS acceptedAtMs, status, reason, payload";
const sizeOf = `length(payload) + length(reason) + ${rowBytes}`;

/**
 * The table of spans that the server will never take, bounded in bytes: the oldest leave first. Part of a journal's
 * connection; the caller makes the transactions.
 */
export class DeadLetters {
  readonly #database: SqliteDatabase;
  readonly #insert: SqliteStatement<[number, number, number | null, string, Buffer]>;
  readonly #selectOldest: SqliteStatement<[], { id: number; bytes: number }>;
  readonly #deleteOne: SqliteStatement<[number]>;
  /** Summed up when first asked for. */
  #bytes: number | undefined;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#insert = database.prepare(
      "INSERT INTO dead_letters (died_at_ms, accepted_at_ms, status, reason, payload) VALUES (?, ?, ?, ?, ?)",
    );
    this.#selectOldest = database.prepare(`SELECT id, ${sizeOf} AS bytes FROM dead_letters ORDER BY id LIMIT 1`);
    this.#deleteOne = database.prepare("DELETE FROM dead_letters WHERE id = ?");
  }

  /** Bytes of all letters, rows included. */
  get bytes(): number {
    this.#bytes ??= this.#database
      .prepare<[], number>(`SELECT coalesce(sum(${sizeOf}), 0) FROM dead_letters`)
      .pluck()
      .get() as number;
    return this.#bytes;
  }

  /** Id of the newest letter; 0: there is none. */
  get lastId(): number {
    return this.#database.prepare<[], number>("SELECT coalesce(max(id), 0) FROM dead_letters").pluck().get() as number;
  }

  /** The sum is to be made again: a transaction was rolled back, or somebody else has changed the table. */
  forgetBytes(): void {
    this.#bytes = undefined;
  }

  /** Adds letters; the oldest leave until all are within `maxBytes`. Returns how many left. */
  add(letters: readonly DeadLetter[], diedAtMs: number, maxBytes: number): number {
    let bytes = this.bytes;
    for (const { span, status, reason } of letters) {
      const payload = span.payload(0);
      this.#insert.run(diedAtMs, span.acceptedAtMs, status ?? null, reason, payload);
      bytes += payload.length + reason.length + rowBytes;
    }
    let left = 0;
    while (bytes > maxBytes) {
      const oldest = this.#selectOldest.get();
      if (oldest === undefined) break;
      this.#deleteOne.run(oldest.id);
      bytes -= oldest.bytes;
      left++;
    }
    this.#bytes = bytes;
    return left;
  }

  /** The newest first: at most so many, with ids below `before`. */
  list(limit: number, before: number = Number.MAX_SAFE_INTEGER): StoredLetter[] {
    const sql = `SELECT ${columns} FROM dead_letters WHERE id < ? ORDER BY id DESC LIMIT ?`;
    return this.#database.prepare<[number, number], StoredLetter>(sql).all(before, limit);
  }

  get(id: number): StoredLetter | undefined {
    return this.#database.prepare<[number], StoredLetter>(`SELECT ${columns} FROM dead_letters WHERE id = ?`).get(id);
  }

  /** Takes out at most `limit` letters, the oldest first, and returns them. */
  take(ids: LetterIds, limit: number): StoredLetter[] {
    const wanted =
      ids === "all"
        ? this.#database
            .prepare<[number], StoredLetter>(`SELECT ${columns} FROM dead_letters ORDER BY id LIMIT ?`)
            .all(limit)
        : ids.slice(0, limit).flatMap((id) => this.get(id) ?? []);
    for (const { id } of wanted) this.#deleteOne.run(id);
    this.#bytes = undefined;
    return wanted;
  }

  /** All of them with all their columns. */
  rows(): DeadLetterRow[] {
    return this.#database.prepare<[], DeadLetterRow>("SELECT * FROM dead_letters").all();
  }

  /** Takes in rows of another file, as far as their columns are the same. Returns how many are new. */
  restore(letters: readonly DeadLetterRow[]): number {
    const names = (this.#database.pragma("table_info(dead_letters)") as { name: string }[]).map(({ name }) => name);
    const insert = this.#database.prepare(
      `INSERT OR IGNORE INTO dead_letters (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    );
    this.#bytes = undefined;
    return letters.reduce((sum, letter) => sum + insert.run(...names.map((name) => letter[name] ?? null)).changes, 0);
  }
}

/** Letters of one status. */
export interface LetterCount {
  /** HTTP status of the server's answer; null: there was none. */
  status: number | null;
  count: number;
}

/** Rows that one read transaction of `countLetters` looks at. */
const countedAtOnce = 2_000;

/**
 * Counts the letters by status, the most frequent first; in steps, so that no transaction lasts while somebody else
 * writes. @throws what SQLite throws.
 */
export function countLetters(database: SqliteDatabase): LetterCount[] {
  const counts = new Map<number | null, number>();
  const select = database
    .prepare<[number, number], [id: number, status: number | null]>(
      "SELECT id, status FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?",
    )
    .raw();
  for (let last = 0, isAll = false; !isAll; ) {
    const rows = select.all(last, countedAtOnce);
    for (const [id, status] of rows) {
      counts.set(status, (counts.get(status) ?? 0) + 1);
      last = id;
    }
    isAll = rows.length < countedAtOnce;
  }
  return [...counts].map(([status, count]) => ({ status, count })).sort((a, b) => b.count - a.count);
}
