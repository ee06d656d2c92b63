import { type Counters, zeroCounters } from "../buffer/counters.ts";
import type { DeadLetters, LetterIds } from "../buffer/dead-letters.ts";
import { DamagedRowsError, type Journal, maxLogBytes, type ReadLimits, ringKey } from "../buffer/journal.ts";
import type { RingConsumer } from "../buffer/ring.ts";
import { describeRescue, isDamage } from "../buffer/salvage.ts";
import { copyJournal } from "../buffer/journal-copy.ts";
import { bytesOf, countOf, SpanRun } from "../buffer/span-run.ts";
import { AcceptanceClock } from "./acceptance-clock.ts";
import type { Announcer } from "./announcer.ts";
import type { PumpSetup } from "./messages.ts";
import { dropOldest } from "./drop-oldest.ts";
import { repairJournal } from "./journal-repair.ts";
import { Outcomes } from "./outcomes.ts";
import { Window } from "./window.ts";

/** One group transaction: large enough to pay for its commit, short enough (about 5 ms) to leave room for exports. */
const commitFrames = 1_000;
const commitBytes = 2 * 1024 * 1024;

/** This part of the ring taken in one go means that there is no time for a nap. */
const hurryShare = 1 / 8;

/** What the end of a process may spend on giving room back. */
const closingShrinkMs = 100;

/** After a failed write the disk gets this long to recover; the ring and the caller's memory hold out meanwhile. */
const diskRetryMs = 1_000;

/** From this share of their room on the dead letters are worth a warning. */
const nearlyFull = 0.9;

export type StoreSetup = Pick<
  PumpSetup,
  | "ringId"
  | "baseUrl"
  | "destination"
  | "durability"
  | "maxQueueSize"
  | "maxDiskBytes"
  | "maxDeadLetterBytes"
  | "maxMemoryBytes"
  | "overflowPolicy"
>;

/** When a span was accepted, in milliseconds since 1970. */
export interface AcceptedSpan {
  id: number;
  acceptedAtMs: number;
}

/**
 * All pending spans: journal, window and the counters that must agree with them (P2). A span enters by `takeFrom`, is
 * handed out by `takeLive` or `takeBackfill`, and leaves by `acknowledge` or `bury`, once the journal has recorded it:
 * with the next `takeFrom`, in the same transaction as what that one takes.
 */
export class Store {
  readonly counters: Counters = zeroCounters();
  readonly window: Window;
  readonly #setup: StoreSetup;
  #journal: Journal;
  readonly #announcer: Announcer;
  readonly #outcomes = new Outcomes();
  /** Limit of the write-ahead log: little beside a small `maxDiskBytes`. */
  readonly #logBytes: number;
  readonly #clock = new AcceptanceClock();
  /** Pending spans that are in no lane: under way, at rest, or with an outcome that is not recorded yet. */
  #handedOut = 0;
  #lastTakenCount = 0;
  #diskRetryAtMs = 0;
  #oldestBackfill: AcceptedSpan | undefined;
  /** Spans that the journal said it had when that was in doubt. */
  #reconciledCount = 0;
  /** False: there may be spans in memory that the journal does not have. */
  #isAllJournalled: boolean;
  /** Newest dead letter of earlier processes. */
  readonly #lastEarlierLetter: number;
  /** What the journal said when it turned out to be damaged. */
  #damage: unknown;

  constructor(setup: StoreSetup, journal: Journal, announcer: Announcer) {
    this.#setup = setup;
    this.#journal = journal;
    this.#announcer = announcer;
    this.#isAllJournalled = setup.durability === "journal";
    this.#logBytes = Math.min(maxLogBytes, Math.floor(setup.maxDiskBytes / 64));
    journal.limitLog(this.#logBytes);
    // An eighth of the memory: the rest is for the caller's burst and the batches under way.
    this.window = new Window({ maxSpans: setup.maxQueueSize, maxBytes: setup.maxMemoryBytes / 8 });
    if (journal.count > 0) this.window.backfill.add(journal.firstId, journal.lastId);
    this.counters.pending = journal.count;
    this.#lastEarlierLetter = journal.deadLetters.lastId;
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

  /** When a refused write is to be tried again (`performance.now()`); 0: the disk is well. */
  get diskRetryAtMs(): number {
    return this.#diskRetryAtMs;
  }

  /** Has the disk just refused a write? Until it has rested nothing is taken. */
  get isDiskResting(): boolean {
    return this.#diskRetryAtMs > performance.now();
  }

  /**
   * Takes what the ring holds, commits it together with all outcomes since, and frees the ring. Returns whether so much
   * came that the next look should be at once.
   * @param isAway Langfuse cannot be reached: durability `overflow` must write too.
   */
  takeFrom(ring: RingConsumer, isAway: boolean): boolean {
    this.#lastTakenCount = 0;
    // After a refusal outcomes go first and alone: they may free the very room that new spans want.
    if (this.isDiskResting || (this.#diskRetryAtMs > 0 && !this.record())) {
      // Nothing is won by taking what cannot be sent: the ring outlives this thread.
      if (!isAway) this.#takeIntoMemory(ring);
      return false;
    }
    if (ring.isEmpty() || !ring.beginCommit()) {
      this.record();
      return false;
    }
    const lastSequence = ring.lastSequence;
    const { payloads, damaged } = ring.take(commitFrames, Math.min(commitBytes, this.#logBytes));
    const { count } = payloads;
    const firstId = this.#journal.nextIds(count);
    const run = new SpanRun(firstId, this.#clock.read(firstId), payloads, false);
    try {
      const isKept = this.#commit(run, isAway, ring.lastSequence);
      ring.release();
      this.#diskRetryAtMs = 0;
      this.counters.taken += count + damaged;
      this.counters.droppedDamaged += damaged;
      if (isKept) this.counters.pending += count;
      else this.counters.droppedDiskFull += count;
      if (isKept && count > 0) this.window.append(run);
    } catch (error) {
      ring.rewind(lastSequence);
      this.#diskFailed(error);
      return false;
    } finally {
      ring.endCommit();
    }
    if (damaged > 0) this.#announcer.say("damaged", "warn", `${damaged} spans were overwritten in memory and are lost`);
    this.#lastTakenCount = count;
    // On a small disk a take is small too, and there may be more.
    if (this.#logBytes < commitBytes && !ring.isEmpty()) return true;
    return count === commitFrames || run.byteLength + ring.occupiedBytes() >= ring.capacityBytes * hurryShare;
  }

  /** The disk refuses: what the live lane has room for goes to Langfuse without having been in the journal. */
  #takeIntoMemory(ring: RingConsumer): void {
    const { spans, bytes } = this.window.room;
    if (spans <= 0 || bytes <= 0 || ring.isEmpty() || !ring.beginCommit()) return;
    const lastSequence = ring.lastSequence;
    const { payloads, damaged } = ring.take(Math.min(commitFrames, spans), Math.min(commitBytes, bytes));
    const { count } = payloads;
    const firstId = this.#journal.nextIds(count);
    const run = new SpanRun(firstId, this.#clock.read(firstId), payloads, false);
    if (run.byteLength > bytes) ring.rewind(lastSequence);
    else {
      ring.release();
      this.counters.taken += count + damaged;
      this.counters.droppedDamaged += damaged;
      this.counters.pending += count;
      this.#lastTakenCount = count;
      this.#isAllJournalled = count === 0 && this.#isAllJournalled;
      if (count > 0) this.window.append(run);
    }
    ring.endCommit();
  }

  /** The next spans of the live lane, oldest first, at least one; none when it is empty. */
  takeLive(maxSpans: number, maxBytes: number): SpanRun[] {
    const runs = this.window.take(maxSpans, maxBytes);
    this.#handedOut += countOf(runs);
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
      const limits = { fromId: from, throughId: through, maxSpans: maxSpans - count, maxBytes: maxBytes - bytes };
      const read = this.#readOrFail({ ...limits, atLeastOne: count === 0 });
      if (read === undefined) break;
      const { runs, isAll } = read;
      taken.push(...runs);
      count += countOf(runs);
      bytes += bytesOf(runs);
      backfill.removeThrough(isAll ? through : (runs.at(-1)?.lastId ?? from - 1));
      if (!isAll) break;
    }
    this.#handedOut += count;
    return taken;
  }

  get deadLetters(): DeadLetters {
    return this.#journal.deadLetters;
  }

  /** Puts dead letters back among the pending spans, at most so many. Returns how many. */
  revive(ids: LetterIds, limit: number): number {
    const { letters, firstId } = this.#journal.revive(ids, limit);
    const count = letters.length;
    if (count === 0) return 0;
    this.window.backfill.addBefore(firstId, firstId + count - 1);
    // Those of earlier processes were never accepted by this one.
    const own = letters.filter(({ id }) => id > this.#lastEarlierLetter).length;
    this.counters.deadLettered -= own;
    this.counters.recovered += count - own;
    this.counters.pending += count;
    return count;
  }

  removeDeadLetters(ids: LetterIds, limit: number): number {
    return this.#journal.removeDeadLetters(ids, limit);
  }

  /** May spans of other journals come? */
  get hasRoomForOthers(): boolean {
    return !this.isDiskResting && !this.isDamaged && this.isOnDisk && this.#journal.usedBytes() < this.#maxBytes / 2;
  }

  /** Takes spans of another journal in, as the oldest of all, together with a mark that says how far they go. */
  adopt(runs: readonly SpanRun[], mark: string, throughId: number): void {
    const count = countOf(runs);
    let nextId = this.#journal.idsBefore(count);
    const adopted = runs.map((run) => {
      const copy = run.renumbered(nextId);
      nextId += run.count;
      return copy;
    });
    this.#journal.together(() => {
      this.#journal.restore(adopted);
      this.#journal.setMeta(mark, String(throughId));
    });
    for (const run of runs) run.release();
    this.window.backfill.addBefore(this.#journal.firstId, nextId - 1);
    this.counters.recovered += count;
    this.counters.pending += count;
  }

  adoptedThrough(mark: string): number | undefined {
    const text = this.#journal.getMeta(mark);
    return text === undefined ? undefined : Number(text);
  }

  adoptDeadLetters(letters: readonly Record<string, unknown>[]): void {
    this.#journal.restoreDeadLetters(letters.map((letter) => ({ ...letter, id: null })));
  }

  forgetAdoption(mark: string): void {
    this.#journal.forgetMeta(mark);
  }

  /** The journal is damaged: nothing else should be done with it. */
  get isDamaged(): boolean {
    return this.#damage !== undefined;
  }

  /** Will the next start find the journal? */
  get isOnDisk(): boolean {
    return this.#journal.isOnDisk;
  }

  /** Is the journal one in memory, for want of a directory? */
  get isInMemory(): boolean {
    return this.#journal.file === ":memory:";
  }

  /**
   * Goes on with another journal, which gets all that this one has and what memory holds.
   *
   * @param make makes it, and has it filled.
   * @param handedOut pending spans that are in no lane.
   * @throws what the disk throws; then everything is as it was.
   */
  move(make: (fill: (journal: Journal) => void) => Journal, handedOut: Iterable<SpanRun>, ring: RingConsumer): void {
    // What is not recorded stays out of the copy, and with the outcomes.
    this.record();
    const inMemory = [...handedOut, ...this.window];
    const isDone = this.#outcomes.isEmpty ? () => false : (id: number) => this.#outcomes.has(id);
    const before = this.#journal;
    const journal = make((target) => {
      copyJournal(before, target, { inMemory, isDone, onProgress: () => ring.countTurn() });
      target.openRing(this.#setup.ringId, ring.lastSequence);
    });
    this.#goOnWith(journal, inMemory);
    try {
      // Should its file turn up again under another name, nothing in it comes twice.
      if (before.file !== ":memory:") before.clear();
      before.close();
    } catch {
      // Nobody needs it any more.
    }
  }

  #goOnWith(journal: Journal, inMemory: readonly SpanRun[]): void {
    for (const run of inMemory) run.isJournalled = true;
    // Ids that are out already are not given again.
    const { lastId } = this.#journal;
    if (journal.lastId < lastId) journal.nextIds(lastId - journal.lastId);
    journal.limitLog(this.#logBytes);
    this.#journal = journal;
    this.#damage = undefined;
    this.#diskRetryAtMs = 0;
    this.#oldestBackfill = undefined;
    this.#isAllJournalled = this.#setup.durability === "journal";
  }

  /**
   * Puts another journal in the place of the damaged one, with what memory holds and what can still be read.
   *
   * @param handedOut pending spans that are in no lane.
   */
  repair(handedOut: Iterable<SpanRun>, ring: RingConsumer): void {
    const { ringId, baseUrl, destination } = this.#setup;
    const unrecorded = this.#outcomes.count;
    const inMemory = [...handedOut, ...this.window];
    const { journal, rescue, failure } = repairJournal({
      journal: this.#journal,
      error: this.#damage,
      inMemory,
      isDone: (id) => this.#outcomes.has(id),
      onProgress: () => ring.countTurn(),
      meta: {
        journal_id: this.#journal.id,
        base_url: baseUrl,
        ...(destination === undefined ? {} : { public_key: destination.publicKey }),
        [ringKey(ringId)]: String(ring.lastSequence),
      },
    });
    this.#goOnWith(journal, inMemory);
    const lost = this.counters.pending - unrecorded - journal.count;
    this.counters.pending -= lost;
    this.counters.droppedDamaged += lost;
    if (rescue !== undefined) this.#announcer.say("damaged-journal", "warn", describeRescue({ ...rescue, lost }));
    else {
      const why = `the journal is damaged and cannot be replaced: ${failure?.message}`;
      this.#announcer.say(
        "disk",
        "warn",
        `${why}; spans are kept in memory only, ${lost} wait in it for the next start`,
      );
    }
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

  #readOrFail(limits: ReadLimits): ReturnType<Journal["read"]> | undefined {
    try {
      return this.#journal.read(limits);
    } catch (error) {
      this.#diskFailed(error);
      return undefined;
    }
  }

  /** Is the disk well again, and are there spans that it would not take? Then `journalAll` is due. */
  get isJournallingDue(): boolean {
    return this.#setup.durability === "journal" && !this.#isAllJournalled && this.#diskRetryAtMs === 0;
  }

  /** Langfuse went away, the process ends, or the disk is well again: what is in memory alone goes to the journal. */
  journalAll(handedOut: Iterable<SpanRun>): void {
    if (this.#isAllJournalled) return;
    const inMemory = [...handedOut, ...this.window].filter((run) => !run.isJournalled);
    try {
      if (inMemory.length > 0) this.#journal.insert(inMemory);
      for (const run of inMemory) run.isJournalled = true;
      // With `overflow` the next spans are in memory alone again.
      this.#isAllJournalled = this.#setup.durability === "journal";
    } catch (error) {
      this.#diskFailed(error);
    }
  }

  /** At the end of the process: how many spans will not be there at the next start. */
  unkept(handedOut: Iterable<SpanRun>): number {
    if (!this.isOnDisk) return this.counters.pending;
    return countOf([...handedOut, ...this.window].filter((run) => !run.isJournalled));
  }

  acknowledge(runs: readonly SpanRun[]): void {
    this.#outcomes.acknowledge(runs);
  }

  bury(runs: readonly SpanRun[], status: number | undefined, reason: string): void {
    this.#outcomes.bury(runs, status, reason);
    this.#announcer.say("dead-letter", "warn", `${countOf(runs)} span(s) went to the dead letters: ${reason}`);
  }

  /** Records all outcomes since the last time, in one transaction. Returns whether the disk took them. */
  record(): boolean {
    if (this.isDiskResting) return false;
    try {
      this.#journal.together(() => this.#outcomes.write(this.#journal, this.#setup.maxDeadLetterBytes));
      this.#countOutcomes();
      this.#diskRetryAtMs = 0;
      return true;
    } catch (error) {
      this.#diskFailed(error);
      return false;
    }
  }

  /** Counts what the next commit is to record. Returns whether there is anything. */
  countUnrecorded(): boolean {
    const { count, acknowledgedCount } = this.#outcomes;
    this.counters.acknowledging = acknowledgedCount;
    this.counters.burying = count - acknowledgedCount;
    return count > 0;
  }

  /** Have so many outcomes piled up in front of a disk that refuses them that no more should come about? */
  get isFullOfOutcomes(): boolean {
    return this.#outcomes.bytes >= this.#setup.maxMemoryBytes / 8;
  }

  /** Has the disk taken every outcome? */
  get isAllRecorded(): boolean {
    return this.#outcomes.isEmpty;
  }

  /** For a quiet moment: what makes the next burst cheaper. Returns whether to call again. */
  tidy(): boolean {
    if (this.isDiskResting) return false;
    try {
      this.#reconcile();
      this.#journal.checkpoint();
      return this.#journal.count === 0 && this.#journal.shrink();
    } catch (error) {
      this.#diskFailed(error);
      return false;
    }
  }

  /** @param oldestHandedOut the oldest span under way or at rest. */
  measure(oldestHandedOut: AcceptedSpan | undefined): void {
    this.counters.journalSpans = this.#journal.count;
    this.counters.journalBytes = this.#journal.fileBytes();
    if (!this.isDamaged) this.counters.deadLetterBytes = this.#deadLetterBytes();
    const oldest = oldestOf(oldestHandedOut, oldestOf(this.#oldestOfBackfill(), this.#oldestOfLive()));
    this.counters.oldestPendingAtMs = oldest === undefined ? 0 : this.#clock.steadyAtMs(oldest.id, oldest.acceptedAtMs);
  }

  /** Closes the journal; an empty one gives its room back first, as far as that takes no noticeable time. */
  close(): void {
    const deadlineMs = performance.now() + closingShrinkMs;
    while (performance.now() < deadlineMs && this.tidy());
    try {
      this.#journal.close();
    } catch (error) {
      this.#diskFailed(error);
    }
  }

  /** Returns whether the spans are kept; otherwise they are over the disk's limit. */
  #commit(run: SpanRun, isAway: boolean, sequence: number): boolean {
    const mayStayInMemory = this.#setup.durability === "overflow" && !isAway;
    const toJournal = (mayStayInMemory ? this.window.crowdedOut(run) : [run]).filter((part) => !part.isJournalled);
    const isNothing = countOf(toJournal) === 0;
    const isRoom = isNothing || this.#makeRoom(bytesOf(toJournal));
    this.#journal.together(() => {
      // First: the pages that they free take the new spans.
      this.#outcomes.write(this.#journal, this.#setup.maxDeadLetterBytes);
      if (isRoom && !isNothing) this.#journal.insert(toJournal, { ringId: this.#setup.ringId, sequence });
    });
    this.#countOutcomes();
    if (isRoom) for (const part of toJournal) part.isJournalled = true;
    return isRoom;
  }

  #countOutcomes(): void {
    if (this.#outcomes.isEmpty) return;
    const { acknowledged, deadLettered, lettersLeft } = this.#outcomes.clear();
    this.counters.pending -= acknowledged + deadLettered;
    this.counters.acknowledged += acknowledged;
    this.counters.deadLettered += deadLettered;
    this.countUnrecorded();
    this.counters.deadLettersLeft += lettersLeft;
    if (deadLettered > 0) this.#sayDeadLetters();
    this.#handedOut -= acknowledged + deadLettered;
  }

  #sayDeadLetters(): void {
    const { maxDeadLetterBytes } = this.#setup;
    if (this.#journal.deadLetters.bytes < maxDeadLetterBytes * nearlyFull) {
      this.#announcer.reset("dead-letters-full");
      return;
    }
    this.#announcer.say(
      "dead-letters-full",
      "warn",
      `the dead letters fill nine tenths of maxDeadLetterBytes (${maxDeadLetterBytes}): the oldest leave for new ones; look at them with deadLetters.list(), then retry or remove them`,
    );
  }

  /** A journal in memory is bounded as memory is. */
  get #maxBytes(): number {
    const { maxDiskBytes, maxMemoryBytes } = this.#setup;
    return this.isInMemory ? Math.min(maxDiskBytes, maxMemoryBytes) : maxDiskBytes;
  }

  /** Makes room on the disk by the overflow policy. Returns whether there is enough. */
  #makeRoom(incomingBytes: number): boolean {
    const { overflowPolicy } = this.#setup;
    const maxDiskBytes = this.#maxBytes;
    // The write-ahead log lies beside the file, with the transaction that is under way.
    const limit = maxDiskBytes - 2 * this.#logBytes - incomingBytes;
    if (this.#journal.usedBytes() <= limit) return true;
    // What is acknowledged already may be all the room that is wanted.
    this.#journal.together(() => this.#outcomes.write(this.#journal, this.#setup.maxDeadLetterBytes));
    this.#countOutcomes();
    if (this.#journal.usedBytes() <= limit) return true;
    this.#announcer.say(
      "disk-full",
      "warn",
      `the journal has reached maxDiskBytes (${maxDiskBytes}): spans are dropped (${overflowPolicy}); raise it, or end the outage`,
    );
    // For what would not fit into an empty journal nothing else must go.
    if (overflowPolicy === "drop-newest" || limit <= 0) return false;
    while (this.#journal.usedBytes() > limit) {
      const dropped = dropOldest(this.#journal, this.window);
      if (dropped === undefined) return false;
      this.counters.pending -= dropped;
      this.counters.droppedDiskFull += dropped;
    }
    return true;
  }

  #oldestOfLive(): AcceptedSpan | undefined {
    const { oldest } = this.window;
    return oldest === undefined ? undefined : { id: oldest.firstId, acceptedAtMs: oldest.acceptedAtMs };
  }

  #oldestOfBackfill(): AcceptedSpan | undefined {
    const range = this.window.backfill.first;
    if (range === undefined) return undefined;
    if (this.#oldestBackfill?.id !== range.from && !this.isDiskResting) {
      const acceptedAtMs = this.#acceptedAtMs(range.from, range.through);
      this.#oldestBackfill = acceptedAtMs === undefined ? undefined : { id: range.from, acceptedAtMs };
    }
    return this.#oldestBackfill;
  }

  #deadLetterBytes(): number {
    try {
      return this.#journal.deadLetters.bytes;
    } catch (error) {
      this.#diskFailed(error);
      return 0;
    }
  }

  #acceptedAtMs(fromId: number, throughId: number): number | undefined {
    try {
      return this.#journal.acceptedAtMs(fromId, throughId);
    } catch (error) {
      this.#diskFailed(error);
      return undefined;
    }
  }

  #diskFailed(error: unknown): void {
    if (isDamage(error)) {
      this.#damage ??= error;
      return;
    }
    const message = `the journal cannot be written: ${(error as Error).message}; spans wait in memory, and are sent from there`;
    this.#diskRetryAtMs = performance.now() + diskRetryMs;
    this.#announcer.say("disk", "warn", message);
    this.#announcer.lastError(message);
  }
}

/** By the ids, which grow in the order of acceptance: the wall clock may have been set since. */
function oldestOf(one: AcceptedSpan | undefined, other: AcceptedSpan | undefined): AcceptedSpan | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.id <= other.id ? one : other;
}
