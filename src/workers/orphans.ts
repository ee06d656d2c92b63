import { isAnyLogStray, isLogWaiting, replayCrashLogs } from "../buffer/crash-log-replay.ts";
import type { JournalOwner } from "../buffer/journal-owner.ts";
import { type JournalSlot, makeJournalSlot, removeJournal, takeOrphan } from "../buffer/journal-slot.ts";
import { isDamage, reasonOf } from "../buffer/damage.ts";
import { describeRescue, type Rescue, rebuildJournal } from "../buffer/salvage.ts";
import { moveMark } from "../buffer/takeover.ts";
import { countOf } from "../buffer/span-run.ts";
import type { Announcer } from "./announcer.ts";
import type { Store } from "./store.ts";

/** How often a living process looks for journals of dead ones. */
const lookEveryMs = 30_000;

/** How soon after it has been looked for in vain a crash log is asked for again. */
const logRetryMs = 1_000;

/** Moved in one turn of the pump, about 5 ms of its time. */
const stepSpans = 400;
const stepBytes = 1024 * 1024;

export interface OrphansSetup {
  directory: string;
  crashLogDirectory: string;
  ringId: string;
  owner: JournalOwner;
  store: Store;
  announcer: Announcer;
  /** Called now and then in what may take long. */
  onProgress: () => void;
}

/**
 * Takes over what dead processes of the same project left in this directory (P10): their journals' locks are free, and
 * whoever gets one moves the spans into its own journal, a little in each turn, as the oldest of its backfill. None
 * is moved twice: src/buffer/takeover.ts. A crash log whose process was killed before it had a journal gets one here.
 */
export class Orphans {
  readonly #setup: OrphansSetup;
  #orphan: JournalSlot | undefined;
  /** Was it left behind, or is it one of our own for crash logs that have none? */
  #isFound = false;
  #lookAtMs = 0;
  #moved = 0;

  constructor(setup: OrphansSetup) {
    this.#setup = setup;
  }

  /** When the next look is due, in ms of `performance.now()`. */
  get deadlineMs(): number {
    return this.#lookAtMs;
  }

  /** Is one being moved? */
  get isBusy(): boolean {
    return this.#orphan !== undefined;
  }

  /** To be called in every turn. */
  step(): void {
    if (this.#orphan === undefined && performance.now() < this.#lookAtMs) return;
    try {
      this.#orphan ??= this.#find();
      if (this.#orphan !== undefined) this.#move(this.#orphan);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** What is not moved yet stays where it is. */
  close(): void {
    const orphan = this.#orphan;
    this.#orphan = undefined;
    this.#lookAtMs = Number.POSITIVE_INFINITY;
    if (orphan === undefined) return;
    orphan.journal.close();
    orphan.release();
  }

  #find(): JournalSlot | undefined {
    const { directory, crashLogDirectory, owner, ringId, store, announcer, onProgress } = this.#setup;
    this.#lookAtMs = performance.now() + lookEveryMs;
    if (!store.room.isForOthers) return undefined;
    const rescues: Rescue[] = [];
    let orphan: JournalSlot | undefined;
    try {
      orphan = takeOrphan(directory, owner, rescues, onProgress);
    } finally {
      for (const rescue of rescues) this.#rescued(rescue, rescue.file === orphan?.file);
    }
    const crashLogs = { directory: crashLogDirectory, owner, ringId };
    this.#isFound = orphan !== undefined;
    if (orphan === undefined && isAnyLogStray(crashLogs)) {
      orphan = makeJournalSlot(directory, owner, () => undefined);
    }
    if (orphan === undefined) return undefined;
    this.#moved = 0;
    const onUnusable = (file: string, { message }: Error): void => {
      announcer.say(file, "warn", `${file} cannot be replayed: ${message}`);
    };
    replayCrashLogs({ ...crashLogs, slot: orphan, onUnusable });
    return orphan;
  }

  #move(orphan: JournalSlot): void {
    const { store } = this.#setup;
    const { journal } = orphan;
    if (!store.room.isForOthers) return;
    const limits = { fromId: journal.firstId, throughId: journal.lastId, maxSpans: stepSpans, maxBytes: stepBytes };
    const { runs } = journal.read({ ...limits, atLeastOne: true });
    const last = runs.at(-1);
    if (last !== undefined) {
      store.readmission.adopt(runs, moveMark(journal), last.lastId);
      journal.remove(journal.firstId, last.lastId);
      this.#moved += countOf(runs);
      return;
    }
    if (isLogWaiting(this.#setup.crashLogDirectory, journal)) {
      this.#leaveForNow(orphan);
      return;
    }
    store.readmission.adoptRest(journal);
    this.#orphan = undefined;
    const id = journal.meta.journalId;
    removeJournal(orphan);
    store.readmission.forgetAdoption(id);
    // There may be more of them. But a log that could not be removed would be found again and again.
    if (this.#isFound) this.#lookAtMs = 0;
    if (this.#moved > 0) {
      const text = `${this.#moved} spans of a process that is gone were taken over`;
      this.#setup.announcer.say("orphan", "info", text);
    }
  }

  /** It is taken again soon, and its log with it. */
  #leaveForNow(orphan: JournalSlot): void {
    this.#orphan = undefined;
    this.#lookAtMs = performance.now() + logRetryMs;
    orphan.journal.close();
    orphan.release();
  }

  #fail(error: Error): void {
    const message = `a journal that was left behind cannot be taken over: ${error.message}`;
    if (!isDamage(error)) this.#setup.announcer.say("orphan-failed", "warn", message);
    this.#lookAtMs = performance.now() + lookEveryMs;
    const orphan = this.#orphan;
    this.#orphan = undefined;
    try {
      orphan?.journal.close();
      if (orphan !== undefined && isDamage(error)) this.#rescue(orphan.file, error);
    } catch {
      // It is left to the next look, or to another process.
    }
    orphan?.release();
  }

  /** Its pages are damaged, as was seen when they were read: what can be read is taken over at the next look. */
  #rescue(file: string, error: Error): void {
    const { onProgress } = this.#setup;
    this.#rescued(rebuildJournal(file, reasonOf(error), { inMemory: [], isDone: () => false, onProgress }), true);
    this.#lookAtMs = 0;
  }

  #rescued(rescue: Rescue, isOurs: boolean): void {
    const { announcer, store } = this.#setup;
    announcer.say(rescue.file, "warn", describeRescue(rescue));
    if (isOurs) store.countUnreadable(rescue.lost);
  }
}
