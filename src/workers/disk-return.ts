import { statSync } from "node:fs";
import { type JournalOwner, type JournalSlot, takeFreshSlot } from "../buffer/journal-slot.ts";
import type { RingConsumer } from "../buffer/ring.ts";
import type { Announcer } from "./announcer.ts";
import type { Store } from "./store.ts";

/** How often it is looked whether the journal is still where it was. */
const lookEveryMs = 5_000;

/** A directory that could not be used is tried again after this, doubling. */
const firstRetryMs = 1_000;
const maxRetryMs = 60_000;

export interface DiskReturnSetup {
  directory: string;
  owner: JournalOwner;
  ringId: string;
  ring: RingConsumer;
  store: Store;
  announcer: Announcer;
  /** The journal in use from now on. */
  onMoved: (slot: JournalSlot) => void;
}

/**
 * Gives a pump without a journal on the disk one again: when the directory could not be used at start, and when the
 * journal was removed while it was in use. Spans go on meanwhile, in memory or in the file that has no name any more;
 * then all of them move into a new journal, under their ids. What other journals are there is left to `Orphans`.
 */
export class DiskReturn {
  readonly #setup: DiskReturnSetup;
  #file: string;
  #inode: number | undefined;
  #lookAtMs: number;
  #retryMs = firstRetryMs;

  /** @param file of the journal in use, or `:memory:`. */
  constructor(setup: DiskReturnSetup, file: string) {
    this.#setup = setup;
    this.#file = file;
    this.#inode = inodeOf(file);
    this.#lookAtMs = performance.now() + (this.#inode === undefined ? firstRetryMs : lookEveryMs);
  }

  /** To be called in every turn. */
  step(): void {
    if (performance.now() < this.#lookAtMs) return;
    this.#lookAtMs = performance.now() + lookEveryMs;
    const { store, announcer } = this.#setup;
    if (store.isDamaged || (this.#inode !== undefined && inodeOf(this.#file) === this.#inode)) return;
    if (this.#inode !== undefined) {
      announcer.say("journal-gone", "warn", `${this.#file} was removed while in use: its spans move to a new journal`);
    }
    try {
      this.#move();
      announcer.say("disk-back", "warn", `spans go to the journal ${this.#file} from now on`);
      announcer.lastError(undefined);
      this.#retryMs = firstRetryMs;
    } catch (error) {
      announcer.lastError(`no journal can be made in ${this.#setup.directory}: ${(error as Error).message}`);
      this.#lookAtMs = performance.now() + this.#retryMs;
      this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2);
    }
  }

  #move(): void {
    const { directory, owner, ringId, ring, store, onMoved } = this.#setup;
    const slot = takeFreshSlot(directory, owner, ringId);
    try {
      store.moveTo(slot.journal, ring);
    } catch (error) {
      slot.journal.close();
      slot.release();
      throw error;
    }
    this.#file = slot.file;
    this.#inode = inodeOf(slot.file);
    onMoved(slot);
  }
}

/** Undefined: there is no such file. */
function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch {
    return undefined;
  }
}
