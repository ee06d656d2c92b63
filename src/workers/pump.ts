import { removeCrashLog } from "../buffer/crash-log-file.ts";
import type { SharedCounters } from "../buffer/counters.ts";
import { pumpStates } from "../buffer/counters.ts";
import type { Announcer } from "./announcer.ts";
import type { ExportPool } from "./export-pool.ts";
import { attend } from "./dead-letter-desk.ts";
import type { DiskReturn, Held } from "./disk-return.ts";
import { attendRequest } from "./letter-request.ts";
import type { AttachedRing, CallerMessage, PumpMessage } from "./messages.ts";
import { isLate, Nap, napMs } from "./nap.ts";
import type { Orphans } from "./orphans.ts";
import type { Rings, RingsMark } from "./rings.ts";
import type { Sender } from "./sender.ts";
import type { Store } from "./store.ts";

/**
 * So long after the last span the pump goes on napping before it sleeps: waking a sleeper costs the caller 3 to 60 µs a
 * span, a nap costs nothing.
 */
const awakeMs = 50;

/** The longest sleep, so that nothing depends on a wake-up alone. */
const maxSleepMs = 30_000;

/** How long a process that exits waits for requests under way, so that a span the server has is not sent again. */
const exitGraceMs = 1_000;

/** Between two attempts to commit what is left. */
const finishNapMs = 3;

interface Flush {
  answer: () => void;
  /** Everything up to this mark of the rings belongs to it … */
  mark: RingsMark;
  /** … and once that is taken, everything up to this id. */
  throughId: number | undefined;
}

export interface PumpParts {
  rings: Rings;
  store: Store;
  sender: Sender;
  pool: ExportPool;
  counters: SharedCounters;
  announcer: Announcer;
  post: (message: PumpMessage) => void;
  /** Durability `strict`: where the logs are. */
  crashLogDirectory?: string | undefined;
  diskReturn?: DiskReturn;
  orphans?: Orphans;
  /** A thread of the host has got a ring. */
  onAttach?: (ring: AttachedRing) => void;
}

/**
 * The pump: rings → journal → batches → outcomes. One loop, three sources of work: the rings, messages of the caller,
 * reports of the export threads. In every turn commits (new spans and what has been acknowledged since, in one
 * transaction) go before exports.
 */
export class Pump {
  readonly #parts: PumpParts;
  #flushes: Flush[] = [];
  #closing: { id: number | undefined; deadlineMs: number } | undefined;
  readonly #nap = new Nap();
  #isSignalled = false;
  #lastTakenAtMs = 0;

  constructor(parts: PumpParts) {
    this.#parts = parts;
  }

  /** A message of the caller. */
  receive(message: CallerMessage): void {
    const { pool, post } = this.#parts;
    switch (message.type) {
      case "attach":
        this.#parts.onAttach?.(message.ring);
        break;
      case "flush":
        this.#beginFlush(() => post({ type: "done", id: message.id }));
        break;
      case "close":
        this.#closing ??= { id: message.id, deadlineMs: performance.now() + message.graceMs };
        break;
      case "dead-letters":
        post({ type: "dead-letters-done", id: message.id, ...attend(message.command, this.#parts.store.readmission) });
        break;
      case "check-auth":
        void pool.checkAuth(message.task).then((result) => post({ type: "auth-checked", id: message.id, result }));
        break;
    }
    this.signal();
  }

  /** Does what the command line wants done with dead letters, if it has asked. */
  attendRequest(): void {
    const { hold, readmission } = this.#parts.store;
    if (hold.isOnDisk && !hold.isDamaged && attendRequest(hold.journal.file, readmission)) this.signal();
  }

  /** Something has happened that the loop should look at now. Any callback of this thread may call it. */
  signal(): void {
    this.#isSignalled = true;
    this.#parts.rings.lead.wake();
    this.#nap.end();
  }

  /** Runs until `close`, or until the process that exits has been settled. */
  async run(): Promise<void> {
    const { rings, sender, store } = this.#parts;
    const ring = rings.lead;
    const mustBeSafe = this.#parts.crashLogDirectory !== undefined;
    const mayNotSleep = (): boolean => {
      if (this.#isSignalled || ring.isSettleWanted()) return true;
      return !rings.isEmpty() || rings.isFlushWanted || rings.isReleaseDue(mustBeSafe);
    };
    while (!this.#isFinished()) {
      this.#isSignalled = false;
      const isHurried = this.#turn();
      if (store.lastTakenCount > 0) this.#lastTakenAtMs = performance.now();
      const durationMs = napMs(store.lastTakenCount, sender.isCallerLate);
      if (isHurried) await yieldToEvents();
      else if (this.#isAwake()) {
        store.shrinkInPassing();
        await this.#nap.take(durationMs);
      } else if (store.hold.isDiskResting || store.tidy()) await this.#nap.take(durationMs);
      else {
        const deadlineMs = Math.min(
          sender.nextDeadlineMs(),
          store.hold.diskRetryAtMs || Number.POSITIVE_INFINITY,
          this.#parts.diskReturn?.deadlineMs ?? Number.POSITIVE_INFINITY,
          this.#parts.orphans?.deadlineMs ?? Number.POSITIVE_INFINITY,
        );
        const sleepMs = Math.min(maxSleepMs, Math.max(durationMs, deadlineMs - performance.now()));
        await ring.sleep(sleepMs, mayNotSleep);
      }
    }
    await this.#finish();
  }

  /** A report has come in. It is recorded in the next turn, with those that come until then. */
  reported(): void {
    const { rings, sender } = this.#parts;
    if (sender.isIdling && !sender.isCallerLate) this.signal();
    // A nap goes on, but a sleep must not.
    else rings.lead.wake();
  }

  /** Makes the figures visible to the caller. */
  publish(): void {
    const { rings, store, sender, counters } = this.#parts;
    if (store.measure(sender.oldestHandedOut())) rings.allSafe();
    store.counters.state = pumpStates.indexOf(sender.circuit.state);
    store.counters.exportMsP50 = sender.exportMicros.quantile(0.5) / 1000;
    store.counters.exportMsP99 = sender.exportMicros.quantile(0.99) / 1000;
    counters.publish(store.counters, rings.count);
  }

  /** One round of all work that can be done now. Returns whether the next should follow at once. */
  #turn(): boolean {
    const { rings, store, sender, counters } = this.#parts;
    const ring = rings.lead;
    ring.countTurn();
    if (store.hold.isDamaged) store.replacement.repair(sender.handedOut(), rings);
    if (this.#closing === undefined) {
      this.#parts.diskReturn?.step(() => this.#held());
      this.#parts.orphans?.step();
    }
    if (ring.isSettleWanted()) this.#closing ??= { id: undefined, deadlineMs: performance.now() + exitGraceMs };
    sender.isCallerLate = isLate(ring.callerLateMs());
    const isClosing = this.#closing !== undefined;
    if (store.outcomes.countUnrecorded()) counters.publish(store.counters, rings.count);
    for (const answer of rings.newFlushes()) this.#beginFlush(answer);
    const isHurried = store.takeFrom(rings, isClosing || sender.circuit.state !== "sending");
    // At once, not when the requests under way are done: nobody knows how long the process still lives.
    if (isClosing || store.isJournallingDue) store.journalAll(sender.handedOut());
    this.#markFlushes();
    sender.isUrgent = this.#flushes.length > 0;
    if (!isClosing && !store.outcomes.isFull) sender.dispatch();
    this.#answerFlushes();
    this.publish();
    this.#releaseEnded();
    return isHurried || store.hold.isDamaged;
  }

  #held(): Held {
    return { handedOut: this.#parts.sender.handedOut(), rings: this.#parts.rings };
  }

  #beginFlush(answer: () => void): void {
    this.#flushes.push({ answer, mark: this.#parts.rings.mark(), throughId: undefined });
    this.#parts.sender.hurry();
  }

  /** After `publish`, so that whoever is told of it finds its frames in the figures. */
  #releaseEnded(): void {
    const { rings, store, post, crashLogDirectory } = this.#parts;
    for (const { id, frames } of rings.releaseEnded(crashLogDirectory !== undefined)) {
      try {
        // First: without the position all of a log would be replayed.
        if (crashLogDirectory !== undefined) removeCrashLog(crashLogDirectory, id);
        store.hold.journal.meta.forgetRing(id);
      } catch {
        // What stays is tidied up by the next start.
      }
      post({ type: "detached", ringId: id, frames });
    }
  }

  #markFlushes(): void {
    const { rings, store } = this.#parts;
    for (const flush of this.#flushes) {
      if (flush.throughId === undefined && rings.hasReleased(flush.mark)) flush.throughId = store.lastId;
    }
  }

  #answerFlushes(): void {
    if (this.#flushes.length === 0) return;
    // What the server has and a refusing disk has not recorded still counts as pending.
    if (!this.#parts.store.outcomes.isAllRecorded) return;
    const oldestId = this.#oldestPendingId();
    this.#flushes = this.#flushes.filter((flush) => {
      if (flush.throughId === undefined || oldestId <= flush.throughId) return true;
      this.publish();
      flush.answer();
      return false;
    });
  }

  #oldestPendingId(): number {
    const { store, sender } = this.#parts;
    const { backfill, oldest } = store.window;
    const oldestWaiting = backfill.first?.from ?? oldest?.firstId ?? Number.POSITIVE_INFINITY;
    return Math.min(oldestWaiting, sender.oldestHandedOut()?.id ?? Number.POSITIVE_INFINITY);
  }

  /** Is there something to be done soon? */
  #isAwake(): boolean {
    const hasJustTaken = performance.now() - this.#lastTakenAtMs < awakeMs;
    return hasJustTaken || this.#closing !== undefined || this.#parts.orphans?.isBusy === true;
  }

  #isFinished(): boolean {
    const { rings, sender } = this.#parts;
    if (this.#closing === undefined) return false;
    const isOver = performance.now() >= this.#closing.deadlineMs;
    return isOver || (rings.isDrained() && sender.inFlightCount === 0);
  }

  /** Commits what is left, closes the journal, and says so to whoever waits. */
  async #finish(): Promise<void> {
    const { rings, store, sender, pool, post, announcer, diskReturn, orphans, crashLogDirectory } = this.#parts;
    // The message that brings a ring may have come in the same moment as the wish to end.
    await yieldToEvents();
    // A disk that refuses gets until the deadline; what it never takes, the caller writes to a spill file.
    const deadlineMs = this.#closing?.deadlineMs ?? 0;
    for (;;) {
      if (store.hold.isDamaged) store.replacement.repair(sender.handedOut(), rings);
      while (store.takeFrom(rings, true));
      store.journalAll(sender.handedOut());
      if ((rings.isDrained() && store.outcomes.isAllRecorded) || performance.now() >= deadlineMs) break;
      await this.#nap.take(finishNapMs);
    }
    sender.circuit.stop();
    orphans?.close();
    diskReturn?.look(this.#held());
    const unkept = store.unkept(sender.handedOut());
    if (unkept > 0) {
      const fate = crashLogDirectory !== undefined ? "are in the crash log at best" : "are lost";
      announcer.say("unkept", "warn", `${unkept} spans ${fate}: the process ends, and no disk takes them`);
    }
    this.publish();
    store.close();
    diskReturn?.close();
    // Reports that come in from here on find the journal closed: their spans are sent again at the next start.
    if (rings.lead.isSettleWanted() && rings.isEmpty()) rings.lead.markSettled();
    await pool.destroy();
    if (this.#closing?.id !== undefined) post({ type: "done", id: this.#closing.id });
  }
}

function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
