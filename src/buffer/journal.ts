import { chmodSync, existsSync } from "node:fs";
import { prepareJournal } from "./journal-schema.ts";
import { openDatabase, type SqliteDatabase, type SqliteStatement } from "./sqlite.ts";

/** Freed pages that are given back in one step; more at once would hold the pump up for seconds after a long outage. */
const vacuumPages = 200;

export interface StoredSpan {
  id: number;
  acceptedAtMs: number;
  payload: Buffer;
}

export interface DeadLetter {
  span: StoredSpan;
  status: number | undefined;
  reason: string;
}

export interface RingPosition {
  /** Which ring: a number drawn at random when the buffer was made. */
  ringId: string;
  /** Number of the last frame that is in the journal. */
  sequence: number;
}

/**
 * The durable queue: one SQLite file in WAL mode with one connection, on the pump's thread. Each method is one
 * transaction. Methods throw the driver's `SqliteError` when the disk fails; the pump decides what follows.
 */
export class Journal {
  readonly #database: SqliteDatabase;
  readonly #insert: SqliteStatement<[number, number, Buffer]>;
  readonly #select: SqliteStatement<[number, number], { id: number; accepted_at_ms: number; payload: Buffer }>;
  readonly #delete: SqliteStatement<[number]>;
  readonly #deleteRange: SqliteStatement<[number, number]>;
  readonly #bury: SqliteStatement<[number, number, number | null, string, Buffer]>;
  readonly #setMeta: SqliteStatement<[string, string]>;
  readonly #setCount: SqliteStatement<[string]>;
  readonly #pageSizeBytes: number;
  #lastId: number;
  #count: number;

  /** @param file a path, or `:memory:` for a journal that lives as long as the process. */
  constructor(file: string) {
    this.#database = openDatabase(file, { busyTimeoutMs: 2000 });
    try {
      prepareJournal(this.#database);
      if (file !== ":memory:") restrictToOwner(file);
      const prepare = this.#database.prepare.bind(this.#database);
      this.#insert = prepare("INSERT INTO spans (id, accepted_at_ms, payload) VALUES (?, ?, ?)");
      this.#select = prepare("SELECT id, accepted_at_ms, payload FROM spans WHERE id > ? ORDER BY id LIMIT ?");
      this.#delete = prepare("DELETE FROM spans WHERE id = ?");
      this.#deleteRange = prepare("DELETE FROM spans WHERE id BETWEEN ? AND ?");
      this.#bury = prepare(
        "INSERT INTO dead_letters (died_at_ms, accepted_at_ms, status, reason, payload) VALUES (?, ?, ?, ?, ?)",
      );
      this.#setMeta = prepare(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      );
      this.#setCount = prepare("UPDATE meta SET value = ? WHERE key = 'span_count'");
      this.#count = Number(this.getMeta("span_count"));
      const newest = this.#database.prepare("SELECT max(id) AS id FROM spans").get() as { id: number | null };
      this.#lastId = newest.id ?? 0;
      this.#pageSizeBytes = this.#database.pragma("page_size", { simple: true }) as number;
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Spans waiting. */
  get count(): number {
    return this.#count;
  }

  /** Id of the newest span; new ones get higher ids. */
  get lastId(): number {
    return this.#lastId;
  }

  /** An id for a span that may be journalled later (or never). */
  nextId(): number {
    return ++this.#lastId;
  }

  /** Size of the file in bytes, free pages included; without the write-ahead log, which is limited to 16 MiB. */
  fileBytes(): number {
    return (this.#database.pragma("page_count", { simple: true }) as number) * this.#pageSizeBytes;
  }

  /** Bytes of the file that hold something. */
  usedBytes(): number {
    return this.fileBytes() - this.#freePages() * this.#pageSizeBytes;
  }

  getMeta(key: string): string | undefined {
    const row = this.#database.prepare("SELECT value FROM meta WHERE key = ?").get(key) as
      | { value: string }
      | undefined;
    return row?.value;
  }

  setMeta(key: string, value: string): void {
    this.#setMeta.run(key, value);
  }

  /** Commits spans and how far the ring is taken with them, together: a pump that dies here repeats none, loses none. */
  insert(spans: readonly StoredSpan[], position?: RingPosition): void {
    this.#transact(() => {
      for (const span of spans) this.#insert.run(span.id, span.acceptedAtMs, span.payload);
      if (position !== undefined) this.#setMeta.run("ring", JSON.stringify(position));
      this.#count += spans.length;
    });
  }

  /** Commits the payloads of a spill file, once: a file that is already in is passed over. Returns how many are new. */
  insertSpill(file: string, payloads: readonly Buffer[], acceptedAtMs: number): number {
    const key = `spill:${file}`;
    if (this.getMeta(key) !== undefined) return 0;
    this.#transact(() => {
      for (const payload of payloads) this.#insert.run(this.nextId(), acceptedAtMs, payload);
      this.#setMeta.run(key, String(payloads.length));
      this.#count += payloads.length;
    });
    return payloads.length;
  }

  /** Forgets a spill file that is gone from the disk. */
  forgetSpill(file: string): void {
    this.#database.prepare("DELETE FROM meta WHERE key = ?").run(`spill:${file}`);
  }

  /**
   * Spans after an id, oldest first: up to `limit`, and no more once they have `maxBytes` bytes (but at least one).
   * `isAll`: there are no more behind them.
   */
  read(afterId: number, limit: number, maxBytes: number): { spans: StoredSpan[]; isAll: boolean } {
    const spans: StoredSpan[] = [];
    let bytes = 0;
    // Leaving the loop closes the statement: an open one would block every write on this connection.
    for (const row of this.#select.iterate(afterId, limit + 1)) {
      if (spans.length === limit || (spans.length > 0 && bytes + row.payload.length > maxBytes)) {
        return { spans, isAll: false };
      }
      bytes += row.payload.length;
      spans.push({ id: row.id, acceptedAtMs: row.accepted_at_ms, payload: row.payload });
    }
    return { spans, isAll: true };
  }

  /** Removes acknowledged spans. Returns how many were there. */
  remove(ids: readonly number[]): number {
    return this.#transact(() => this.#removeRows(ids));
  }

  /** Moves spans to the dead letters; those that were never journalled are added all the same. */
  bury(letters: readonly DeadLetter[], diedAtMs: number): void {
    this.#transact(() => {
      for (const { span, status, reason } of letters) {
        this.#bury.run(diedAtMs, span.acceptedAtMs, status ?? null, reason, span.payload);
      }
      this.#removeRows(letters.map((letter) => letter.span.id));
    });
  }

  /** Removes up to `limit` of the oldest spans with an id above `afterId`. Returns the ids removed. */
  dropOldest(afterId: number, limit: number): number[] {
    const rows = this.#database
      .prepare("SELECT id FROM spans WHERE id > ? ORDER BY id LIMIT ?")
      .all(afterId, limit) as { id: number }[];
    const ids = rows.map((row) => row.id);
    this.remove(ids);
    return ids;
  }

  /** Gives some free pages back to the file system. Returns whether it is worth calling again. */
  shrink(): boolean {
    const before = this.#freePages();
    if (before === 0) return false;
    this.#database.exec(`PRAGMA incremental_vacuum(${vacuumPages})`);
    const after = this.#freePages();
    // A file that was made without `auto_vacuum` never gives anything back.
    return after > 0 && after < before;
  }

  close(): void {
    this.#database.close();
  }

  #freePages(): number {
    return this.#database.pragma("freelist_count", { simple: true }) as number;
  }

  #removeRows(ids: readonly number[]): number {
    const first = ids[0];
    const last = ids.at(-1);
    if (first === undefined || last === undefined) return 0;
    let removed = 0;
    // A batch in order is one range; after retries and splits it may have holes that belong to others.
    if (last - first + 1 === ids.length) removed = this.#deleteRange.run(first, last).changes;
    else for (const id of ids) removed += this.#delete.run(id).changes;
    this.#count -= removed;
    return removed;
  }

  /** Runs one transaction and records the new count in it; when it fails, the count is that of before. */
  #transact<Result>(action: () => Result): Result {
    const count = this.#count;
    try {
      return this.#database
        .transaction(() => {
          const result = action();
          if (this.#count !== count) this.#setCount.run(String(this.#count));
          return result;
        })
        .immediate();
    } catch (error) {
      this.#count = count;
      throw error;
    }
  }
}

/** SQLite gives the write-ahead log and its index the permissions of the database. */
function restrictToOwner(file: string): void {
  for (const path of [file, `${file}-wal`, `${file}-shm`]) if (existsSync(path)) chmodSync(path, 0o600);
}
