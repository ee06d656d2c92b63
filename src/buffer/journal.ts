import { chmodSync, existsSync, statSync } from "node:fs";
import { DamagedRowsError, structureComplaint, wholeStructureComplaint } from "./damage.ts";
import { type DeadLetter, type DeadLetterRow, DeadLetters, type LetterIds, type StoredLetter } from "./dead-letters.ts";
import { JournalMeta, type RingPosition } from "./journal-meta.ts";
import { prepareJournal } from "./journal-schema.ts";
import { JournalSpace, maxLogBytes } from "./journal-space.ts";
import { PackedPayloads } from "./packed-payloads.ts";
import { type ReadLimits, SpanReader, type StoredSpan } from "./span-reader.ts";
import { SpanRun } from "./span-run.ts";
import { openDatabase, type SqliteDatabase, type SqliteStatement } from "./sqlite.ts";

/**
 * The durable queue: one SQLite file in WAL mode with one connection, on the pump's thread. Each method is one
 * transaction, or a part of the one that `together` makes. Methods throw the driver's `SqliteError` when the disk
 * fails; the pump decides what follows.
 */
export class Journal {
  readonly meta: JournalMeta;
  readonly space: JournalSpace;
  readonly deadLetters: DeadLetters;
  readonly #database: SqliteDatabase;
  readonly #reader: SpanReader;
  readonly #begin: SqliteStatement<[]>;
  readonly #commit: SqliteStatement<[]>;
  readonly #insert: SqliteStatement<[number, number, Buffer]>;
  readonly #deleteRange: SqliteStatement<[number, number]>;
  readonly #setCount: SqliteStatement<[string]>;
  /** No span has a lower id. */
  #firstId: number;
  #lastId: number;
  #count: number;
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
      this.meta = new JournalMeta(this.#database);
      this.space = new JournalSpace(this.#database);
      this.space.limitLog(maxLogBytes);
      if (file !== ":memory:") restrictToOwner(file);
      this.#identity = identityOf(file);
      const prepare = this.#database.prepare.bind(this.#database);
      this.#begin = prepare("BEGIN IMMEDIATE");
      this.#commit = prepare("COMMIT");
      this.#insert = prepare("INSERT INTO spans (id, accepted_at_ms, payload) VALUES (?, ?, ?)");
      this.#reader = new SpanReader(this.#database);
      this.#deleteRange = prepare("DELETE FROM spans WHERE id BETWEEN ? AND ?");
      this.deadLetters = new DeadLetters(this.#database);
      this.#setCount = prepare("UPDATE meta SET value = ? WHERE key = 'span_count'");
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
    } catch (error) {
      this.#database.close();
      throw error;
    }
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

  /** @throws DamagedRowsError with SQLite's first complaint about the structure of a file that is not large. */
  check(): void {
    const complaint = structureComplaint(this.#database);
    if (complaint !== undefined) throw new DamagedRowsError(complaint);
  }

  /** Counts the spans, row by row, whatever the journal says of their number. */
  recount(): number {
    this.#count = this.#database.prepare<[], number>("SELECT count(*) FROM spans").pluck().get() ?? 0;
    return this.#count;
  }

  /**
   * Looks at everything, however long it takes: the structure, and that every row is one of ours. Puts a wrong count
   * right. Returns by how many the count was wrong. @throws DamagedRowsError, or SQLite's own error, for damage.
   */
  checkWhole(): number {
    const complaint = wholeStructureComplaint(this.#database);
    if (complaint !== undefined) throw new DamagedRowsError(complaint);
    for (const _ of this.spans());
    void this.deadLetters.bytes;
    const said = this.#count;
    this.#change(() => this.recount());
    return this.#count - said;
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

  /** From now on this ring's frames come here, those after `sequence`. */
  openRing(ringId: string, sequence = 0): void {
    this.insert([], { ringId, sequence });
  }

  /** Makes one transaction of several changes: all of them or, when it throws, none. Without a change it is free. */
  together(action: () => void): void {
    const count = this.#count;
    this.#isTogether = true;
    try {
      action();
      if (!this.#database.inTransaction) return;
      if (this.#count !== count) this.#setCount.run(String(this.#count));
      // Inside of the transaction: afterwards it would take the file's locks once more.
      const counts = this.space.counted();
      this.#commit.run();
      this.space.committed(counts);
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

  /** Writes spans and how far the rings are taken with them, together: a pump that dies here repeats none, loses none. */
  insert(runs: readonly SpanRun[], ...positions: readonly RingPosition[]): void {
    this.#change(() => {
      for (const run of runs) {
        for (let index = 0; index < run.count; index++) {
          this.#insert.run(run.firstId + index, run.acceptedAtMs, run.payload(index));
        }
        this.#count += run.count;
        this.space.wrote(run.byteLength);
      }
      for (const position of positions) this.meta.setRingPosition(position);
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

  /** Takes over dead letters from another file, as far as their columns are the same. Returns how many are new. */
  restoreDeadLetters(letters: readonly DeadLetterRow[]): number {
    let added = 0;
    this.#change(() => {
      added = this.deadLetters.restore(letters);
    });
    return added;
  }

  /** Commits payloads that did not come through the ring of this process. */
  insertPayloads(payloads: readonly Buffer[], acceptedAtMs: number, position?: RingPosition): void {
    const run = new SpanRun(this.nextIds(payloads.length), acceptedAtMs, PackedPayloads.of(payloads), true);
    this.insert([run], ...(position === undefined ? [] : [position]));
  }

  /** Commits the payloads of a spill file, once: a file that is already in is passed over. Returns how many are new. */
  insertSpill(file: string, payloads: readonly Buffer[], acceptedAtMs: number): number {
    const key = `spill:${file}`;
    if (this.meta.get(key) !== undefined) return 0;
    this.#change(() => {
      this.insertPayloads(payloads, acceptedAtMs);
      this.meta.set(key, String(payloads.length));
    });
    return payloads.length;
  }

  /** Forgets a spill file that is gone from the disk. */
  forgetSpill(file: string): void {
    this.meta.forget(`spill:${file}`);
  }

  /** Spans between two ids, oldest first, within the limits. `isAll`: there are no more between these ids. */
  read(limits: ReadLimits): { runs: SpanRun[]; isAll: boolean } {
    return this.#reader.read(limits);
  }

  /** Every span, oldest first; meanwhile those that it has brought may be removed. */
  spans(): Generator<StoredSpan> {
    return this.#reader.all();
  }

  /** When the oldest span between two ids was accepted; undefined when there is none. */
  acceptedAtMs(fromId: number, throughId: number): number | undefined {
    return this.#reader.acceptedAtMs(fromId, throughId);
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
    const last = this.#reader.nthId(fromId, throughId, limit) ?? throughId;
    return { dropped: this.remove(fromId, last), throughId: last };
  }

  /** Removes all spans and dead letters: another journal has them. */
  clear(): void {
    this.#change(() => {
      this.#database.exec("DELETE FROM spans; DELETE FROM dead_letters; DELETE FROM meta WHERE key GLOB 'ring:*'");
      this.#count = 0;
    });
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
    const text = this.meta.get("span_count") ?? "";
    // Overwritten: it is counted again.
    return /^\d{1,15}$/.test(text) ? Number(text) : this.recount();
  }
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
