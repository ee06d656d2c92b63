import type { SqliteDatabase, SqliteStatement } from "./sqlite.ts";

/** Freed pages that are given back in one step; more at once would hold the pump up for seconds after a long outage. */
const vacuumPages = 200;

/** Free pages of a busy journal that are worth giving back: fewer are soon in use again. */
const idleBytes = 4 * 1024 * 1024;

/** Of the write-ahead log, unless somebody says otherwise. */
export const maxLogBytes: number = 4 * 1024 * 1024;

/** So much in the write-ahead log is worth being carried over at a quiet moment. */
const quietLogBytes = 2 * 1024 * 1024;

/** Pages of the file, those that hold nothing among them. */
export interface PageCounts {
  pages: number;
  free: number;
}

/** What a journal takes on the disk, and how it gives that back. Methods throw the driver's `SqliteError`. */
export class JournalSpace {
  readonly #database: SqliteDatabase;
  readonly #selectPageCount: SqliteStatement<[], number>;
  readonly #selectFreePages: SqliteStatement<[], number>;
  readonly #pageSizeBytes: number;
  #counts: PageCounts;
  /** Written since the write-ahead log was last carried over: an estimate, in bytes. */
  #logBytes = 0;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#selectPageCount = database.prepare<[], number>("PRAGMA page_count").pluck();
    this.#selectFreePages = database.prepare<[], number>("PRAGMA freelist_count").pluck();
    this.#pageSizeBytes = database.pragma("page_size", { simple: true }) as number;
    this.#counts = this.counted();
  }

  /** Size of the file in bytes, free pages included; without the write-ahead log. */
  fileBytes(): number {
    return this.#counts.pages * this.#pageSizeBytes;
  }

  /** Bytes of the file that hold something. */
  usedBytes(): number {
    return (this.#counts.pages - this.#counts.free) * this.#pageSizeBytes;
  }

  /** Is so much free that what comes will not need it? */
  get isMostlyFree(): boolean {
    const { pages, free } = this.#counts;
    return free > pages / 2 && free * this.#pageSizeBytes > idleBytes;
  }

  /** Counts them now: inside of a transaction it costs no lock of its own. */
  counted(): PageCounts {
    return { pages: this.#selectPageCount.get() as number, free: this.#selectFreePages.get() as number };
  }

  /** A transaction in which they were counted is committed. */
  committed(counts: PageCounts): void {
    this.#counts = counts;
  }

  /** A transaction has written so many bytes. */
  wrote(bytes: number): void {
    this.#logBytes += bytes;
  }

  /**
   * Limits the write-ahead log beside the file: beyond that a commit carries it over. Such a commit waits for the disk by
   * the megabyte: 12 MiB took 10 to 20 ms, a third of it, three times as often, a third of that.
   */
  limitLog(bytes: number): void {
    this.#database.pragma(`wal_autocheckpoint = ${Math.max(1, Math.floor(bytes / this.#pageSizeBytes))}`);
    this.#database.pragma(`journal_size_limit = ${bytes}`);
  }

  /** Gives some free pages back to the file system. Returns whether it is worth calling again. */
  shrink(): boolean {
    const before = this.#counts.free;
    if (before === 0) return false;
    this.#vacuum(vacuumPages);
    // Only then does the file itself become smaller.
    if (this.#counts.free === 0) this.#database.pragma("wal_checkpoint(TRUNCATE)");
    // A file that was made without `auto_vacuum` never gives anything back.
    return this.#counts.free > 0 && this.#counts.free < before;
  }

  /**
   * Gives free pages back to the file system, with no more than so many bytes in the write-ahead log, which is empty
   * afterwards. @throws when the disk has no room for that.
   */
  giveBack(logBytes: number): void {
    // A page that moves is written, and so are those that point to it.
    const pages = Math.floor(logBytes / this.#pageSizeBytes / 4);
    if (this.#counts.free > 0 && pages > 0) this.#vacuum(pages);
    this.emptyLog();
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

  #vacuum(pages: number): void {
    // By `exec`: prepared and run it would free one.
    this.#database.exec(`PRAGMA incremental_vacuum(${pages})`);
    this.#counts = this.counted();
  }
}
