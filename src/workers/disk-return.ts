import type { Journal } from "../buffer/journal.ts";
import type { JournalOwner } from "../buffer/journal-owner.ts";
import { type JournalSlot, makeJournalSlot } from "../buffer/journal-slot.ts";
import type { SpanRun } from "../buffer/span-run.ts";
import type { Announcer } from "./announcer.ts";
import type { Rings } from "./rings.ts";
import type { Store } from "./store.ts";

/** How often it is looked whether the file still has its name; a look takes microseconds. */
const lookEveryMs = 1_000;

/** A directory that cannot be used is tried again after this, then after twice as long, up to the limit. */
const firstRetryMs = 1_000;
const maxRetryMs = 60_000;

export interface DiskReturnSetup {
  slot: JournalSlot;
  directory: string;
  owner: JournalOwner;
  store: Store;
  announcer: Announcer;
  /** Before anybody can find another journal with this ring's spans: what refers to the journal by its id. */
  onJournal: (id: string) => void;
}

/** Pending spans that are in no lane, and the rings. */
export type Held = { handedOut: Iterable<SpanRun>; rings: Rings };

/**
 * Sees to it that the journal is a file that the next start finds. One in memory, because the directory could not be
 * used, goes to the directory once it can; one whose file was removed, with its directory perhaps, goes on in the file
 * without a name only until there is a new one. Either way everything pending and the dead letters move to a new
 * journal; what older ones in the directory hold comes the way of all that is left behind (orphans.ts).
 */
export class DiskReturn {
  readonly #setup: DiskReturnSetup;
  #slot: JournalSlot;
  #lookAtMs: number;
  #retryMs = firstRetryMs;
  /** What was said when it failed last. */
  #failure: string | undefined;

  constructor(setup: DiskReturnSetup) {
    this.#setup = setup;
    this.#slot = setup.slot;
    this.#lookAtMs = performance.now() + firstRetryMs;
  }

  /** When to look, at the latest (`performance.now()`). */
  get deadlineMs(): number {
    return this.#setup.store.hold.isInMemory ? this.#lookAtMs : Number.POSITIVE_INFINITY;
  }

  /** To be called in every turn. */
  step(held: () => Held): void {
    if (performance.now() >= this.#lookAtMs) this.look(held());
  }

  /** Looks now. */
  look(held: Held): void {
    this.#lookAtMs = performance.now() + lookEveryMs;
    if (this.#setup.store.hold.isOnDisk) return;
    try {
      this.#move(held);
      this.#retryMs = firstRetryMs;
    } catch (error) {
      this.#lookAtMs = performance.now() + this.#retryMs;
      this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2);
      this.#sayFailed((error as Error).message);
    }
  }

  close(): void {
    this.#slot.release();
  }

  #move({ handedOut, rings }: Held): void {
    const { directory, owner, store, announcer, onJournal } = this.#setup;
    const wasInMemory = store.hold.isInMemory;
    const before = this.#slot;
    const make = (fill: (journal: Journal) => void): Journal => {
      const slot = makeJournalSlot(directory, owner, (journal) => {
        fill(journal);
        onJournal(journal.meta.journalId);
      });
      this.#slot = slot;
      return slot.journal;
    };
    store.replacement.move(make, handedOut, rings);
    before.release();
    this.#failure = undefined;
    announcer.lastError(undefined);
    announcer.reset("disk");
    const what = wasInMemory ? "the directory can be used" : `${before.file} was removed while in use`;
    const text = `${what}: spans go to the journal ${this.#slot.file} from now on, and the ${store.counters.pending} pending ones are in it`;
    announcer.say("disk-back", "warn", text);
  }

  #sayFailed(reason: string): void {
    const { directory, store, announcer } = this.#setup;
    if (reason === this.#failure) return;
    this.#failure = reason;
    const where = store.hold.isInMemory ? "in memory only" : "in the file without a name that is left of it";
    const what = store.hold.isInMemory ? "" : `${this.#slot.file} was removed while in use; `;
    const message = `${what}no journal can be made in ${directory}: ${reason}; spans are kept ${where}, and it is tried again`;
    announcer.reset("disk");
    announcer.say("disk", "warn", message);
    announcer.lastError(message);
  }
}
