import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, statSync } from "node:fs";
import { type DeadLetter, DeadLetters, type LetterIds, type StoredLetter } from "./dead-letters.ts";
import { prepareJournal } from "./journal-schema.ts";
import { PackedPayloads } from "./packed-payloads.ts";
import { SpanRun } from "./span-run.ts";
import { openDatabase, type SqliteDatabase, type SqliteStatement } from "./sqlite.ts";

/** Freed pages that are given back in one step; more at once would hold the pump up for seconds after a long outage. */
const vacuumPages = 200;

/** Of the write-ahead log, unless somebody says otherwise. */
export const maxLogBytes: number = 4 * 1024 * 1024;

/** So much in the write-ahead log is worth being carried over at a quiet moment. */
const quietLogBytes = 2 * 1024 * 1024;

export interface RingPosition {
  /** Which ring: a number drawn at random when the buffer was made. */
  ringId: string;
  /** Number of the last frame that is in the journal. */
  sequence: number;
}

/** What a read is to bring, at most. */
export interface ReadLimits {
  fromId: number;
  throughId: number;
  maxSpans: number;
  maxBytes: number;
  /** Bring one span even if it is larger than `maxBytes`. */
  atLeastOne: boolean;
}

/** SQLite finds nothing wrong with the file, and yet what is in it makes no sense. */
export class DamagedRowsError extends Error {
  override readonly name = "DamagedRowsError";
  readonly code = "DAMAGED_ROWS";
}

/**
 * The durable queue: one SQLite file in WAL mode with one connection, on the pump's thread. Each method is one
 * transaction, or a part of the one that `together` makes. Methods throw the driver's `SqliteError` when the disk
 * fails; the pump decides what follows.
 */
export class Journal {
  readonly deadLetters: DeadLetters;
  readonly #database: SqliteDatabase;
  readonly #begin: SqliteStatement<[]>;
  readonly #commit: SqliteStatement<[]>;
  readonly #insert: SqliteStatement<[number, number, Buffer]>;
  readonly #select: SqliteStatement<[number, number, number], [id: number, acceptedAtMs: number, payload: Buffer]>;
  readonly #selectAcceptedAt: SqliteStatement<[number, number], number>;
  readonly #selectNth: SqliteStatement<[number, number, number], number>;
  readonly #deleteRange: SqliteStatement<[number, number]>;
  readonly #setMeta: SqliteStatement<[string, string]>;
  readonly #setCount: SqliteStatement<[string]>;
  readonly #selectPageCount: SqliteStatement<[], number>;
  readonly #selectFreePages: SqliteStatement<[], number>;
  readonly #pageSizeBytes: number;
  #id: string | undefined;
  /** No span has a lower id. */
  #firstId: number;
  #lastId: number;
  #count: number;
  #pageCount = 0;
  #freePages = 0;
  /** Written since the write-ahead log was last carried over: an estimate, in bytes. */
  #logBytes = 0;
  /** Inside of `together`; the transaction itself begins with the first write. */
  #isTogether = false;

  /** A path, or `:memory:` for a journal that lives as long as the process. */
  readonly file: string;
  readonly #identity: string | undefined;

  constructor(file: string) {
    this.file = file;
    this.#database = openDatabase(file, { busyTimeoutMs: 2000 });
    try {
      prepareJournal(this.#database);
      this.limitLog(maxLogBytes);
      if (file !== ":memory:") restrictToOwner(file);
      this.#identity = identityOf(file);
      const prepare = this.#database.prepare.bind(this.#database);
      this.#begin = prepare("BEGIN IMMEDIATE");
      this.#commit = prepare("COMMIT");
      this.#insert = prepare("INSERT INTO spans (id, accepted_at_ms, payload) VALUES (?, ?, ?)");
      this.#select = prepare<[number, number, number], [number, number, Buffer]>(
        "SELECT id, accepted_at_ms, payload FROM spans WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
      ).raw();
      this.#selectAcceptedAt = prepare<[number, number], number>(
        "SELECT accepted_at_ms FROM spans WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1",
      ).pluck();
      this.#selectNth = prepare<[number, number, number], number>(
        "SELECT id FROM spans WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1 OFFSET ?",
      ).pluck();
      this.#deleteRange = prepare("DELETE FROM spans WHERE id BETWEEN ? AND ?");
      this.deadLetters = new DeadLetters(this.#database);
      this.#setMeta = prepare(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      );
      this.#setCount = prepare("UPDATE meta SET value = ? WHERE key = 'span_count'");
      this.#selectPageCount = prepare<[], number>("PRAGMA page_count").pluck();
      this.#selectFreePages = prepare<[], number>("PRAGMA freelist_count").pluck();
      const ids = this.#database.prepare(
        "SELECT (SELECT min(id) FROM spans) AS first, (SELECT max(id) FROM spans) AS last",
      );
      const { first, last } = ids.get() as { first: number | null; last: number | null };
      if ((first ?? 0) > (last ?? 0)) throw new DamagedRowsError(`the first row is ${first}, the last ${last}`);
      this.#firstId = first ?? 1;
      this.#lastId = last ?? 0;
      // A table that cannot be read is to be found now, and not when something is put into it.
      void this.deadLetters.lastId;
      this.#count = this.#readCount();
      this.#pageSizeBytes = this.#database.pragma("page_size", { simple: true }) as number;
      this.#measure();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /**
   * Limits the write-ahead log beside the file: beyond that a commit carries it over. Such a commit waits for the disk by
   * the megabyte: 12 MiB took 10 to 20 ms, a third of it, three times as often, a third of that.
   */
  limitLog(bytes: number): void {
    const pageBytes = this.#database.pragma("page_size", { simple: true }) as number;
    this.#database.pragma(`wal_autocheckpoint = ${Math.max(1, Math.floor(bytes / pageBytes))}`);
    this.#database.pragma(`journal_size_limit = ${bytes}`);
  }

  /** Would another process find it, under its name? */
  get isOnDisk(): boolean {
    return this.#identity !== undefined && this.#identity === identityOf(this.file);
  }

  /** Spans waiting. */
  get count(): number {
    return this.#count;
  }

  /** Id of the newest span; new ones get higher ids. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Id of the oldest span, or of the next one. */
  get firstId(): number {
    return this.#firstId;
  }

  /**
   * Looks at the structure of the whole file: a damaged one that is written to loses more than it has lost already. Takes
   * 1 ms for 1 MiB that is in the system's memory.
   *
   * @throws DamagedRowsError with SQLite's first complaint.
   */
  check(): void {
    const complaint = String(this.#database.pragma("quick_check(1)", { simple: true }));
    if (complaint !== "ok") throw new DamagedRowsError(complaint);
  }

  /** Counts the spans, row by row, whatever the journal says of their number. */
  recount(): number {
    this.#count = this.#database.prepare<[], number>("SELECT count(*) FROM spans").pluck().get() ?? 0;
    return this.#count;
  }

  /** The first of so many consecutive ids below all others: for spans of other journals, which are older. */
  idsBefore(count: number): number {
    this.#firstId -= count;
    return this.#firstId;
  }

  /** The first of so many consecutive ids, for spans that may be journalled later (or never). */
  nextIds(count: number): number {
    const first = this.#lastId + 1;
    this.#lastId += count;
    return first;
  }

  /** Size of the file in bytes, free pages included; without the write-ahead log. */
  fileBytes(): number {
    return this.#pageCount * this.#pageSizeBytes;
  }

  /** Bytes of the file that hold something. */
  usedBytes(): number {
    return (this.#pageCount - this.#freePages) * this.#pageSizeBytes;
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

  /** What is under all keys that begin so. */
  metaOf(keyPrefix: string): [key: string, value: string][] {
    return this.#database.prepare("SELECT key, value FROM meta WHERE key GLOB ?").raw().all(`${keyPrefix}*`) as [
      string,
      string,
    ][];
  }

  /** Number of the last frame of this ring that is in the journal; undefined: the ring never had this journal. */
  ringPosition(ringId: string): number | undefined {
    const sequence = this.getMeta(ringKey(ringId));
    return sequence === undefined ? undefined : Number(sequence);
  }

  /** From now on this ring's frames come here, those after `sequence`. */
  openRing(ringId: string, sequence = 0): void {
    this.insert([], { ringId, sequence });
  }

  /** Drawn at random when the journal was made; it stays with the file wherever that is moved. */
  get id(): string {
    if (this.#id === undefined) {
      this.#id = this.getMeta("journal_id") ?? randomUUID();
      this.setMeta("journal_id", this.#id);
    }
    return this.#id;
  }

  /** Rings whose frames have come here. */
  ringIds(): string[] {
    return this.metaOf(ringKey("")).map(([key]) => key.slice(ringKey("").length));
  }

  /** The ring is gone, and nothing outside of the journal holds frames of it. */
  forgetRing(ringId: string): void {
    this.forgetMeta(ringKey(ringId));
  }

  /** Makes one transaction of several changes: all of them or, when it throws, none. Without a change it is free. */
  together(action: () => void): void {
    const count = this.#count;
    this.#isTogether = true;
    try {
      action();
      if (!this.#database.inTransaction) return;
      if (this.#count !== count) this.#setCount.run(String(this.#count));
      // Inside of the transaction: afterwards they would take the file's locks once more.
      const pageCount = this.#selectPageCount.get() as number;
      const freePages = this.#selectFreePages.get() as number;
      this.#commit.run();
      this.#pageCount = pageCount;
      this.#freePages = freePages;
    } catch (error) {
      this.#count = count;
      this.deadLetters.forgetBytes();
      // Some errors (a full disk among them) have rolled back already.
      if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
      throw error;
    } finally {
      this.#isTogether = false;
    }
  }

  /** Writes spans and how far the ring is taken with them, together: a pump that dies here repeats none, loses none. */
  insert(runs: readonly SpanRun[], position?: RingPosition): void {
    this.#change(() => {
      for (const run of runs) {
        for (let index = 0; index < run.count; index++) {
          this.#insert.run(run.firstId + index, run.acceptedAtMs, run.payload(index));
        }
        this.#count += run.count;
        this.#logBytes += run.byteLength;
      }
      if (position !== undefined) this.#setMeta.run(ringKey(position.ringId), String(position.sequence));
    });
  }

  /**
   * Takes over spans from another file, under their ids; those that are there already stay as they are. Returns the ids
   * that other spans have here: two may have the same in a damaged file.
   */
  restore(runs: readonly SpanRun[]): number[] {
    const clashes: number[] = [];
    const insert = this.#database.prepare<[number, number, Buffer]>(
      "INSERT OR IGNORE INTO spans (id, accepted_at_ms, payload) VALUES (?, ?, ?)",
    );
    const select = this.#database.prepare<[number], Buffer>("SELECT payload FROM spans WHERE id = ?").pluck();
    this.#change(() => {
      for (const run of runs) {
        for (let index = 0; index < run.count; index++) {
          const [id, payload] = [run.firstId + index, run.payload(index)];
          const { changes } = insert.run(id, run.acceptedAtMs, payload);
          this.#count += changes;
          if (changes === 0 && select.get(id)?.equals(payload) === false) clashes.push(id);
        }
        this.#lastId = Math.max(this.#lastId, run.lastId);
        this.#firstId = Math.min(this.#firstId, run.firstId);
      }
    });
    return clashes;
  }

  /** All dead letters with all their columns. */
  deadLetterRows(): Record<string, unknown>[] {
    return this.#database.prepare("SELECT * FROM dead_letters").all() as Record<string, unknown>[];
  }

  forgetMeta(key: string): void {
    this.#database.prepare("DELETE FROM meta WHERE key = ?").run(key);
  }

  /** Takes over dead letters from another file, as far as their columns are the same. Returns how many are new. */
  restoreDeadLetters(letters: readonly Record<string, unknown>[]): number {
    const columns = this.#database.pragma("table_info(dead_letters)") as { name: string }[];
    const names = columns.map(({ name }) => name);
    const insert = this.#database.prepare(
      `INSERT OR IGNORE INTO dead_letters (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    );
    let added = 0;
    this.#change(() => {
      for (const letter of letters) added += insert.run(...names.map((name) => letter[name] ?? null)).changes;
      this.deadLetters.forgetBytes();
    });
    return added;
  }

  /** Commits payloads that did not come through the ring of this process. */
  insertPayloads(payloads: readonly Buffer[], acceptedAtMs: number, position?: RingPosition): void {
    this.insert(
      [new SpanRun(this.nextIds(payloads.length), acceptedAtMs, PackedPayloads.of(payloads), true)],
      position,
    );
  }

  /** Commits the payloads of a spill file, once: a file that is already in is passed over. Returns how many are new. */
  insertSpill(file: string, payloads: readonly Buffer[], acceptedAtMs: number): number {
    const key = `spill:${file}`;
    if (this.getMeta(key) !== undefined) return 0;
    this.#change(() => {
      this.insertPayloads(payloads, acceptedAtMs);
      this.#setMeta.run(key, String(payloads.length));
    });
    return payloads.length;
  }

  /** Forgets a spill file that is gone from the disk. */
  forgetSpill(file: string): void {
    this.forgetMeta(`spill:${file}`);
  }

  /** Spans between two ids, oldest first, within the limits. `isAll`: there are no more between these ids. */
  read(limits: ReadLimits): { runs: SpanRun[]; isAll: boolean } {
    const ids: number[] = [];
    const acceptedAtMs: number[] = [];
    const payloads: Buffer[] = [];
    let bytes = 0;
    let isAll = true;
    // Leaving the loop closes the statement: an open one would block every write on this connection.
    for (const row of this.#select.iterate(limits.fromId, limits.throughId, limits.maxSpans + 1)) {
      const isSound = typeof row[1] === "number" && Buffer.isBuffer(row[2]) && row[0] > (ids.at(-1) ?? -Infinity);
      if (!isSound) throw new DamagedRowsError(`row ${row[0]} is none of ours`);
      bytes += row[2].length;
      const mayExceed = limits.atLeastOne && ids.length === 0;
      if (ids.length === limits.maxSpans || (bytes > limits.maxBytes && !mayExceed)) {
        isAll = false;
        break;
      }
      ids.push(row[0]);
      acceptedAtMs.push(row[1]);
      payloads.push(row[2]);
    }
    const packed = PackedPayloads.of(payloads);
    const runs: SpanRun[] = [];
    for (let from = 0; from < ids.length; ) {
      let to = from + 1;
      while (ids[to] === (ids[to - 1] as number) + 1 && acceptedAtMs[to] === acceptedAtMs[from]) to++;
      runs.push(new SpanRun(ids[from] as number, acceptedAtMs[from] as number, packed, true, from, to));
      from = to;
    }
    return { runs, isAll };
  }

  /** When the oldest span between two ids was accepted; undefined when there is none. */
  acceptedAtMs(fromId: number, throughId: number): number | undefined {
    return this.#selectAcceptedAt.get(fromId, throughId);
  }

  /** Removes acknowledged spans, those between two ids. Returns how many were there. */
  remove(fromId: number, throughId: number): number {
    let removed = 0;
    this.#change(() => {
      removed = this.#deleteRange.run(fromId, throughId).changes;
      this.#count -= removed;
    });
    return removed;
  }

  /**
   * Moves spans to the dead letters, of which the oldest leave beyond `maxBytes`; spans that were never journalled are
   * added all the same. Returns how many letters left.
   */
  bury(letters: readonly DeadLetter[], diedAtMs: number, maxBytes: number): number {
    let left = 0;
    this.#change(() => {
      left = this.deadLetters.add(letters, diedAtMs, maxBytes);
      for (const { span } of letters) this.remove(span.firstId, span.firstId);
    });
    return left;
  }

  /** Moves dead letters back to the spans, below all others. Returns which. */
  revive(ids: LetterIds, limit: number): { letters: StoredLetter[]; firstId: number } {
    let letters: StoredLetter[] = [];
    let firstId = this.#firstId;
    this.#change(() => {
      letters = this.deadLetters.take(ids, limit);
      firstId = this.idsBefore(letters.length);
      const packed = PackedPayloads.of(letters.map(({ payload }) => payload));
      const runs = letters.map(({ acceptedAtMs }, index) => {
        return new SpanRun(firstId + index, acceptedAtMs, packed, true, index, index + 1);
      });
      this.restore(runs);
    });
    return { letters, firstId };
  }

  /** Removes dead letters. Returns how many. */
  removeDeadLetters(ids: LetterIds, limit: number): number {
    let removed = 0;
    this.#change(() => {
      removed = this.deadLetters.take(ids, limit).length;
    });
    return removed;
  }

  /** Removes up to `limit` of the oldest spans between two ids. Returns how many, and the last id that is free of them. */
  dropOldest(fromId: number, throughId: number, limit: number): { dropped: number; throughId: number } {
    const last = this.#selectNth.get(fromId, throughId, limit - 1) ?? throughId;
    return { dropped: this.remove(fromId, last), throughId: last };
  }

  /** Removes all spans and dead letters: another journal has them. */
  clear(): void {
    this.#change(() => {
      this.#database.exec("DELETE FROM spans; DELETE FROM dead_letters; DELETE FROM meta WHERE key GLOB 'ring:*'");
      this.#count = 0;
    });
  }

  /** Gives some free pages back to the file system. Returns whether it is worth calling again. */
  shrink(): boolean {
    const before = this.#freePages;
    if (before === 0) return false;
    this.#database.exec(`PRAGMA incremental_vacuum(${vacuumPages})`);
    this.#measure();
    // Only then does the file itself become smaller.
    if (this.#freePages === 0) this.#database.pragma("wal_checkpoint(TRUNCATE)");
    // A file that was made without `auto_vacuum` never gives anything back.
    return this.#freePages > 0 && this.#freePages < before;
  }

  /**
   * For a quiet moment: carries the write-ahead log over into the file if there is much in it, so that the next burst
   * of commits need not.
   */
  checkpoint(): void {
    if (this.#logBytes < quietLogBytes) return;
    this.#database.pragma("wal_checkpoint(PASSIVE)");
    this.#logBytes = 0;
  }

  /** Carries the write-ahead log over into the file, and makes it empty. @throws when the disk has no room for that. */
  emptyLog(): void {
    const [{ busy }] = this.#database.pragma("wal_checkpoint(TRUNCATE)") as [{ busy: number }];
    if (busy !== 0) throw Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
    this.#logBytes = 0;
  }

  /**
   * Gives free pages back to the file system, with no more than so many bytes in the write-ahead log, which is empty
   * afterwards. @throws when the disk has no room for that.
   */
  giveBack(logBytes: number): void {
    // A page that moves is written, and so are those that point to it.
    const pages = Math.floor(logBytes / this.#pageSizeBytes / 4);
    if (this.#freePages > 0 && pages > 0) this.#database.exec(`PRAGMA incremental_vacuum(${pages})`);
    this.emptyLog();
    this.#measure();
  }

  close(): void {
    this.#database.close();
  }

  /** Runs one change in the transaction that is open, or in one of its own. */
  #change(action: () => void): void {
    if (!this.#isTogether) {
      this.together(() => this.#change(action));
      return;
    }
    if (!this.#database.inTransaction) this.#begin.run();
    action();
  }

  #readCount(): number {
    const text = this.getMeta("span_count") ?? "";
    // Overwritten: it is counted again.
    return /^\d{1,15}$/.test(text) ? Number(text) : this.recount();
  }

  #measure(): void {
    this.#pageCount = this.#selectPageCount.get() as number;
    this.#freePages = this.#selectFreePages.get() as number;
  }
}

/** The key of `meta` for a ring's position. */
export function ringKey(ringId: string): string {
  return `ring:${ringId}`;
}

/** Which file bears this name; undefined: none. */
function identityOf(file: string): string | undefined {
  try {
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`;
  } catch {
    return undefined;
  }
}

/** SQLite gives the write-ahead log and its index the permissions of the database. */
function restrictToOwner(file: string): void {
  for (const path of [file, `${file}-wal`, `${file}-shm`]) if (existsSync(path)) chmodSync(path, 0o600);
}
