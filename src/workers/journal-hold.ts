import { type Journal, maxLogBytes } from "../buffer/journal.ts";
import { isDamage } from "../buffer/salvage.ts";
import type { Announcer } from "./announcer.ts";
import type { PumpSetup } from "./messages.ts";

/** After a failed write the disk gets this long to recover; the ring and the caller's memory hold out meanwhile. */
const diskRetryMs = 1_000;

/** The journal in use, and how it is with it: well, its disk at rest after a refusal, or its file damaged. */
export class JournalHold {
  /** Limit of the write-ahead log: little beside a small `maxDiskBytes`. */
  readonly logBytes: number;
  /** False: there may be spans in memory that the journal does not have. */
  isComplete: boolean;
  readonly #setup: Pick<PumpSetup, "durability" | "maxDiskBytes" | "maxMemoryBytes">;
  readonly #announcer: Announcer;
  #journal: Journal;
  #diskRetryAtMs = 0;
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
    this.logBytes = Math.min(maxLogBytes, Math.floor(setup.maxDiskBytes / 64));
    journal.limitLog(this.logBytes);
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

  /** What the journal may take in all; one in memory is bounded as memory is. */
  get maxBytes(): number {
    const { maxDiskBytes, maxMemoryBytes } = this.#setup;
    return this.isInMemory ? Math.min(maxDiskBytes, maxMemoryBytes) : maxDiskBytes;
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
    const message = `the journal cannot be written: ${(error as Error).message}; spans wait in memory, and are sent from there`;
    this.#diskRetryAtMs = performance.now() + diskRetryMs;
    this.#announcer.say("disk", "warn", message);
    this.#announcer.lastError(message);
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
    journal.limitLog(this.logBytes);
    this.#journal = journal;
    this.#damage = undefined;
    this.#diskRetryAtMs = 0;
    this.isComplete = this.#setup.durability === "journal";
  }
}
