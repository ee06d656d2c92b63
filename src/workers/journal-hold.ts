import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { DiskReserve } from "../buffer/disk-reserve.ts";
import type { Journal } from "../buffer/journal.ts";
import { maxLogBytes } from "../buffer/journal-space.ts";
import { isDamage } from "../buffer/damage.ts";
import type { Announcer } from "./announcer.ts";
import type { PumpSetup } from "./messages.ts";

/** After a failed write the disk gets this long to recover; the ring and the caller's memory hold out meanwhile. */
const diskRetryMs = 1_000;

/** Of the log on a disk that is nearly full. */
const leastLogBytes = 64 * 1024;

/** The journal in use, and how it is with it: well, its disk at rest after a refusal, or its file damaged. */
export class JournalHold {
  /** Limit of the write-ahead log: little beside a small `maxDiskBytes`, or a small disk. */
  readonly logBytes: number;
  /** Held to get out of a full disk: what carrying the log over adds to the file, and what the next commits write. */
  readonly reserveBytes: number;
  /** False: there may be spans in memory that the journal does not have. */
  isComplete: boolean;
  readonly #setup: Pick<PumpSetup, "durability" | "maxDiskBytes" | "maxMemoryBytes">;
  readonly #announcer: Announcer;
  #journal: Journal;
  #reserve: DiskReserve | undefined;
  #diskRetryAtMs = 0;
  #isDiskFull = false;
  #damage: unknown;

  constructor(
    setup: Pick<PumpSetup, "durability" | "maxDiskBytes" | "maxMemoryBytes">,
    journal: Journal,
    announcer: Announcer,
  ) {
    this.#setup = setup;
    this.#announcer = announcer;
    this.#journal = journal;
    this.isComplete = setup.durability === "journal";
    this.logBytes = logLimit(setup.maxDiskBytes, journal.file);
    this.reserveBytes = 2 * this.logBytes;
    journal.space.limitLog(this.logBytes);
    this.#openReserve();
  }

  get journal(): Journal {
    return this.#journal;
  }

  /** Will the next start find the journal? */
  get isOnDisk(): boolean {
    return this.#journal.isOnDisk;
  }

  /** Is the journal one in memory, for want of a directory? */
  get isInMemory(): boolean {
    return this.#journal.file === ":memory:";
  }

  /** What the journal's file may take: beside it are its log, with the transaction under way, and the reserve. */
  get maxFileBytes(): number {
    const { maxDiskBytes, maxMemoryBytes } = this.#setup;
    if (this.isInMemory) return Math.min(maxDiskBytes, maxMemoryBytes) - 2 * this.logBytes;
    return maxDiskBytes - 2 * this.logBytes - this.reserveBytes;
  }

  /** When a refused write is to be tried again (`performance.now()`); 0: the disk is well. */
  get diskRetryAtMs(): number {
    return this.#diskRetryAtMs;
  }

  /** Has the disk just refused a write? Until it has rested nothing is written. */
  get isDiskResting(): boolean {
    return this.#diskRetryAtMs > performance.now();
  }

  /** The journal is damaged: nothing else should be done with it. */
  get isDamaged(): boolean {
    return this.#damage !== undefined;
  }

  /** What the journal said when it turned out to be damaged. */
  get damage(): unknown {
    return this.#damage;
  }

  /** A write went through. */
  diskIsWell(): void {
    this.#diskRetryAtMs = 0;
  }

  diskFailed(error: unknown): void {
    if (isDamage(error)) {
      this.#damage ??= error;
      return;
    }
    // The second for a quota.
    this.#isDiskFull ||= /^(SQLITE_FULL|SQLITE_IOERR_WRITE|ENOSPC|EDQUOT)$/.test(
      (error as { code?: string }).code ?? "",
    );
    const message = `the journal cannot be written: ${(error as Error).message}; spans wait in memory, and are sent from there`;
    this.#diskRetryAtMs = performance.now() + diskRetryMs;
    this.#announcer.say("disk", "warn", message);
    this.#announcer.lastError(message);
  }

  /** Has the disk no room? Then the first thing to do is to let go of some: `relieve`. */
  get isDiskFull(): boolean {
    return this.#isDiskFull;
  }

  /**
   * Gets a journal that has filled its disk going again: with the reserve's room its log can be carried over, outcomes
   * recorded, and pages given back. New spans are for later, when the reserve is there again. Returns whether it is.
   *
   * @param record records the outcomes; returns whether the disk took them.
   */
  relieve(record: () => boolean): boolean {
    this.#reserve?.giveAway();
    const isCarriedOver = this.attempt((journal) => {
      journal.space.emptyLog();
      return true;
    });
    if (isCarriedOver !== true || !record()) return false;
    return (
      this.attempt((journal) => {
        journal.space.giveBack(this.reserveBytes);
        this.#reserve?.hold();
        this.#isDiskFull = false;
        return true;
      }) === true
    );
  }

  /** What the action returns; undefined when the disk refuses. */
  attempt<Result>(action: (journal: Journal) => Result): Result | undefined {
    try {
      return action(this.#journal);
    } catch (error) {
      this.diskFailed(error);
      return undefined;
    }
  }

  /** Goes on with another journal, which has everything. The one before is not closed. */
  replace(journal: Journal): void {
    // Ids that are out already are not given again.
    const { lastId } = this.#journal;
    if (journal.lastId < lastId) journal.nextIds(lastId - journal.lastId);
    journal.space.limitLog(this.logBytes);
    this.#journal = journal;
    this.#isDiskFull = false;
    this.#openReserve();
    this.#damage = undefined;
    this.#diskRetryAtMs = 0;
    this.isComplete = this.#setup.durability === "journal";
  }

  /** An empty journal needs no reserve. @throws what the disk throws. */
  close(): void {
    const isEmpty = this.#journal.count === 0;
    this.#journal.close();
    if (isEmpty) this.#reserve?.giveAway();
  }

  #openReserve(): void {
    this.#reserve = this.isInMemory ? undefined : new DiskReserve(this.#journal.file, this.reserveBytes);
    try {
      this.#reserve?.hold();
    } catch {
      // No room for it now; when the disk is full in earnest it is tried again.
    }
  }
}

/** Beside what is allowed, and beside what the disk has. */
function logLimit(maxDiskBytes: number, file: string): number {
  const limit = Math.min(maxLogBytes, Math.floor(maxDiskBytes / 64));
  try {
    const { bavail, bsize } = statfsSync(dirname(file));
    return Math.min(limit, Math.max(leastLogBytes, Math.floor((bavail * bsize) / 64)));
  } catch {
    return limit;
  }
}
