import { type Counters, zeroCounters } from "../buffer/counters.ts";
import { DamagedRowsError } from "../buffer/damage.ts";
import type { Journal } from "../buffer/journal.ts";
import type { PackedPayloads } from "../buffer/packed-payloads.ts";
import type { RingPosition } from "../buffer/journal-meta.ts";
import { bytesOf, countOf, SpanRun } from "../buffer/span-run.ts";
import { AcceptanceClock } from "./acceptance-clock.ts";
import type { Announcer } from "./announcer.ts";
import { JournalHold } from "./journal-hold.ts";
import type { PumpSetup } from "./messages.ts";
import { type AcceptedSpan, OldestPending } from "./oldest-pending.ts";
import { OutcomeRecord } from "./outcome-record.ts";
import { Readmission } from "./readmission.ts";
import { Replacement } from "./replacement.ts";
import type { Rings, TakenFromRings } from "./rings.ts";
import { Room } from "./room.ts";
import { Window } from "./window.ts";

/** One group transaction: large enough to pay for its commit, short enough (about 5 ms) to leave room for exports. */
const commitFrames = 1_000;
const commitBytes = 2 * 1024 * 1024;

/** This part of the ring taken in one go means that there is no time for a nap. */
const hurryShare = 1 / 8;

/** Between two steps of giving room back while spans keep coming: each takes some milliseconds. */
const shrinkEveryMs = 250;

/** What the end of a process may spend on giving room back. */
const closingShrinkMs = 100;

export type StoreSetup = Pick<
  PumpSetup,
  | "baseUrl"
  | "destination"
  | "durability"
  | "maxQueueSize"
  | "maxDiskBytes"
  | "maxDeadLetterBytes"
  | "maxMemoryBytes"
  | "overflowPolicy"
>;

/**
 * All pending spans: journal, window and the counters that must agree with them (P2). A span enters by `takeFrom` (or
 * `readmission`), is handed out by `takeLive` or `takeBackfill`, and leaves through `outcomes`, once the journal has
 * recorded it: with the next `takeFrom`, in the same transaction as what that one takes.
 */
export class Store {
  readonly counters: Counters = zeroCounters();
  readonly window: Window;
  readonly hold: JournalHold;
  readonly outcomes: OutcomeRecord;
  readonly readmission: Readmission;
  readonly replacement: Replacement;
  readonly room: Room;
  readonly #setup: StoreSetup;
  readonly #announcer: Announcer;
  readonly #clock = new AcceptanceClock();
  readonly #oldestPending: OldestPending;
  /** Spans that left a lane, since the start. */
  #handedOutCount = 0;
  #lastTakenCount = 0;
  /** Spans that the journal said it had when that was in doubt. */
  #reconciledCount = 0;
  #nextShrinkAtMs = 0;

  constructor(setup: StoreSetup, journal: Journal, announcer: Announcer) {
    this.#setup = setup;
    this.#announcer = announcer;
    // An eighth of the memory: the rest is for the caller's burst and the batches under way.
    const window = new Window({ maxSpans: setup.maxQueueSize, maxBytes: setup.maxMemoryBytes / 8 });
    const hold = new JournalHold(setup, journal, announcer);
    const { counters } = this;
    const outcomes = new OutcomeRecord({ setup, hold, counters, announcer });
    const parts = { setup, hold, window, outcomes, counters, announcer };
    this.window = window;
    this.hold = hold;
    this.outcomes = outcomes;
    this.room = new Room(parts);
    this.replacement = new Replacement(parts);
    this.readmission = new Readmission(hold, window, counters);
    this.#oldestPending = new OldestPending(hold, window, this.#clock);
    if (journal.count > 0) window.backfill.add(journal.firstId, journal.lastId);
    counters.pending = journal.count;
  }

  /** Id of the newest span taken so far. */
  get lastId(): number {
    return this.#journal.lastId;
  }

  /** Spans that nobody has been handed: both lanes. */
  get waiting(): number {
    return this.counters.pending - this.#handedOut;
  }

  /** Spans that the last `takeFrom` brought. */
  get lastTakenCount(): number {
    return this.#lastTakenCount;
  }

  /** With one more transaction the log is at most half as long again as its limit: that much the reserve makes up for. */
  get #commitBytes(): number {
    return Math.min(commitBytes, this.hold.logBytes / 2);
  }

  get #journal(): Journal {
    return this.hold.journal;
  }

  /** Pending spans that are in no lane: under way, at rest, or with an outcome that is not recorded yet. */
  get #handedOut(): number {
    return this.#handedOutCount - this.outcomes.recordedCount;
  }

  /** Spans of earlier processes that are known to have been there, and cannot be read any more. */
  countUnreadable(count: number): void {
    this.counters.recovered += count;
    this.counters.droppedDamaged += count;
  }

  /**
   * Takes what the rings hold, commits it together with all outcomes since, and frees the rings. Returns whether so much
   * came that the next look should be at once.
   * @param isAway Langfuse cannot be reached: durability `overflow` must write too.
   */
  takeFrom(rings: Rings, isAway: boolean): boolean {
    this.#lastTakenCount = 0;
    // After a refusal outcomes go first and alone: they may free the very room that new spans want.
    if (this.hold.isDiskResting || (this.hold.diskRetryAtMs > 0 && !this.#isDiskBack())) {
      // Nothing is won by taking what cannot be sent: the ring outlives this thread.
      if (!isAway) this.#takeIntoMemory(rings);
      return false;
    }
    if (rings.isEmpty() || !rings.lead.beginCommit()) {
      this.outcomes.record();
      return false;
    }
    const taken = rings.take(commitFrames, this.#commitBytes);
    const { count } = taken.payloads;
    const run = this.#newRun(taken.payloads);
    try {
      const isKept = this.#commit(run, isAway, taken.positions);
      rings.release();
      this.hold.diskIsWell();
      this.#countTaken(taken);
      if (isKept) this.counters.pending += count;
      else this.counters.droppedDiskFull += count;
      if (isKept && count > 0) this.window.append(run);
    } catch (error) {
      rings.rewind();
      this.hold.diskFailed(error);
      return false;
    } finally {
      rings.lead.endCommit();
    }
    const { damaged } = taken;
    if (damaged > 0) this.#announcer.say("damaged", "warn", `${damaged} spans were overwritten in memory and are lost`);
    this.#lastTakenCount = count;
    // On a small disk a take is small too, and there may be more.
    if (this.#commitBytes < commitBytes && !rings.isEmpty()) return true;
    return count === commitFrames || run.byteLength + rings.occupiedBytes() >= rings.lead.capacityBytes * hurryShare;
  }

  #countTaken({ fromLead, fromAttached, damaged }: TakenFromRings): void {
    this.counters.taken += fromLead;
    this.counters.takenAttached += fromAttached;
    this.counters.droppedDamaged += damaged;
  }

  /** After a refusal: records outcomes, and gets a full disk going again. Returns whether new spans may come. */
  #isDiskBack(): boolean {
    return this.hold.isDiskFull ? this.hold.relieve(() => this.outcomes.recordOnFullDisk()) : this.outcomes.record();
  }

  #newRun(payloads: PackedPayloads): SpanRun {
    const firstId = this.#journal.nextIds(payloads.count);
    return new SpanRun(firstId, this.#clock.read(firstId), payloads, false);
  }

  /** The disk refuses: what the live lane has room for goes to Langfuse without having been in the journal. */
  #takeIntoMemory(rings: Rings): void {
    const { spans, bytes } = this.window.room;
    if (spans <= 0 || bytes <= 0 || rings.isEmpty() || !rings.lead.beginCommit()) return;
    const taken = rings.take(Math.min(commitFrames, spans), Math.min(commitBytes, bytes));
    const { count } = taken.payloads;
    const run = this.#newRun(taken.payloads);
    if (run.byteLength > bytes) rings.rewind();
    else {
      rings.release();
      this.#countTaken(taken);
      this.counters.pending += count;
      this.#lastTakenCount = count;
      this.hold.isComplete = count === 0 && this.hold.isComplete;
      if (count > 0) this.window.append(run);
    }
    rings.lead.endCommit();
  }

  /** The next spans of the live lane, oldest first, at least one; none when it is empty. */
  takeLive(maxSpans: number, maxBytes: number): SpanRun[] {
    const runs = this.window.take(maxSpans, maxBytes);
    this.#handedOutCount += countOf(runs);
    return runs;
  }

  /** The oldest spans of the backfill, at least one; none when there is no backfill. */
  takeBackfill(maxSpans: number, maxBytes: number): SpanRun[] {
    const { backfill } = this.window;
    const taken: SpanRun[] = [];
    let count = 0;
    let bytes = 0;
    for (let range = backfill.first; range !== undefined && count < maxSpans; range = backfill.first) {
      const { from, through } = range;
      const limits = {
        fromId: from,
        throughId: through,
        maxSpans: maxSpans - count,
        maxBytes: maxBytes - bytes,
      };
      const read = this.hold.attempt((journal) => journal.read({ ...limits, atLeastOne: count === 0 }));
      if (read === undefined) break;
      const { runs, isAll } = read;
      taken.push(...runs);
      count += countOf(runs);
      bytes += bytesOf(runs);
      backfill.removeThrough(isAll ? through : (runs.at(-1)?.lastId ?? from - 1));
      if (!isAll) break;
    }
    this.#handedOutCount += count;
    return taken;
  }

  /** Is the disk well again, and are there spans that it would not take? Then `journalAll` is due. */
  get isJournallingDue(): boolean {
    return this.#setup.durability === "journal" && !this.hold.isComplete && this.hold.diskRetryAtMs === 0;
  }

  /** Langfuse went away, the process ends, or the disk is well again: what is in memory alone goes to the journal. */
  journalAll(handedOut: Iterable<SpanRun>): void {
    if (this.hold.isComplete) return;
    const inMemory = [...handedOut, ...this.window].filter((run) => !run.isJournalled);
    try {
      if (inMemory.length > 0) this.#journal.insert(inMemory);
      for (const run of inMemory) run.isJournalled = true;
      // With `overflow` the next spans are in memory alone again.
      this.hold.isComplete = this.#setup.durability === "journal";
    } catch (error) {
      this.hold.diskFailed(error);
    }
  }

  /** At the end of the process: how many spans will not be there at the next start. */
  unkept(handedOut: Iterable<SpanRun>): number {
    if (!this.hold.isOnDisk) return this.counters.pending;
    return countOf([...handedOut, ...this.window].filter((run) => !run.isJournalled));
  }

  /** For a quiet moment: what makes the next burst cheaper. Returns whether to call again. */
  tidy(): boolean {
    if (this.hold.isDiskResting) return false;
    try {
      this.#reconcile();
      this.#journal.space.checkpoint();
      return this.#journal.count === 0 && this.#journal.space.shrink();
    } catch (error) {
      this.hold.diskFailed(error);
      return false;
    }
  }

  /** For a pump that spans keep busy, so that it never has a quiet moment: gives back what a backlog has left empty. */
  shrinkInPassing(): void {
    const nowMs = performance.now();
    if (nowMs < this.#nextShrinkAtMs || this.hold.diskRetryAtMs > 0 || !this.#journal.space.isMostlyFree) return;
    this.#nextShrinkAtMs = nowMs + shrinkEveryMs;
    this.hold.attempt((journal) => journal.space.shrink());
  }

  /**
   * Returns whether all that has been taken is in a journal that the next start finds, or delivered.
   *
   * @param oldestHandedOut the oldest span under way or at rest.
   */
  measure(oldestHandedOut: AcceptedSpan | undefined): boolean {
    this.counters.journalSpans = this.#journal.count;
    this.counters.journalBytes = this.#journal.space.fileBytes();
    if (!this.hold.isDamaged)
      this.counters.deadLetterBytes = this.hold.attempt((journal) => journal.deadLetters.bytes) ?? 0;
    const isSafe = this.counters.pending === 0 || (this.hold.isComplete && !this.hold.isInMemory);
    if (isSafe) {
      this.counters.safe = this.counters.taken;
      this.counters.safeAttached = this.counters.takenAttached;
    }
    this.counters.unwritable = this.hold.isInMemory || this.hold.isDamaged || this.hold.diskRetryAtMs > 0 ? 1 : 0;
    this.counters.oldestPendingAtMs = this.#oldestPending.atMs(oldestHandedOut);
    return isSafe;
  }

  /** Closes the journal; an empty one gives its room back first, as far as that takes no noticeable time. */
  close(): void {
    const deadlineMs = performance.now() + closingShrinkMs;
    while (performance.now() < deadlineMs && this.tidy());
    try {
      this.hold.close();
    } catch (error) {
      this.hold.diskFailed(error);
    }
  }

  /** Returns whether the spans are kept; otherwise they are over the disk's limit. */
  #commit(run: SpanRun, isAway: boolean, positions: readonly RingPosition[]): boolean {
    const mayStayInMemory = this.#setup.durability === "overflow" && !isAway;
    const toJournal = (mayStayInMemory ? this.window.crowdedOut(run) : [run]).filter((part) => !part.isJournalled);
    const isNothing = countOf(toJournal) === 0;
    const isRoom = isNothing || this.room.make(bytesOf(toJournal));
    this.#journal.together(() => {
      // First: the pages that they free take the new spans.
      this.outcomes.write(this.#journal);
      if (isRoom && !isNothing) this.#journal.insert(toJournal, ...positions);
    });
    this.outcomes.count();
    if (isRoom) for (const part of toJournal) part.isJournalled = true;
    return isRoom;
  }

  /** Nothing waits, and yet the journal says there is something: its count was overwritten. */
  #reconcile(): void {
    const { backfill, count } = this.window;
    if (this.counters.pending === 0 || this.#handedOut > 0 || count > 0 || !backfill.isEmpty) return;
    const missing = this.counters.pending - this.#journal.recount();
    this.counters.pending -= missing;
    this.counters.droppedDamaged += missing;
    const isSecondTime = this.#reconciledCount === this.#journal.count;
    this.#reconciledCount = this.#journal.count;
    if (isSecondTime) throw new DamagedRowsError(`there are ${this.#journal.count} rows that are not found in order`);
    if (this.#journal.count > 0) backfill.add(this.#journal.firstId, this.#journal.lastId);
  }
}
