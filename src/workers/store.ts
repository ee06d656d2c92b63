import { type Counters, zeroCounters } from "../buffer/counters.ts";
import type { Journal } from "../buffer/journal.ts";
import type { RingConsumer } from "../buffer/ring.ts";
import type { Announcer } from "./announcer.ts";
import { bytesOf, type PendingSpan } from "./batch.ts";
import type { PumpSetup } from "./messages.ts";
import { Window } from "./window.ts";

/** One group transaction: large enough to pay for its commit, short enough (about 10 ms) to leave room for exports. */
const commitFrames = 1_000;
const commitBytes = 2 * 1024 * 1024;

/** Spans that are loaded from the journal in one go. */
const loadSpans = 500;

/** Spans that are dropped in one go when the disk's share is used up. */
const dropSpans = 100;

/** What the end of a process may spend on giving room back. */
const closingShrinkMs = 100;

/** After a failed write the disk gets this long to recover; the ring and the caller's memory hold out meanwhile. */
const diskRetryMs = 1_000;

export type StoreSetup = Pick<
  PumpSetup,
  "ringId" | "durability" | "maxQueueSize" | "maxDiskBytes" | "maxMemoryBytes" | "overflowPolicy"
>;

/**
 * All pending spans: journal, window and the counters that must agree with them (P2). A span enters by `takeFrom`, is
 * handed out by `window.shift`, and leaves by `acknowledge` or `bury`, once the journal has recorded it.
 */
export class Store {
  readonly counters: Counters = zeroCounters();
  readonly window: Window;
  readonly #setup: StoreSetup;
  readonly #journal: Journal;
  readonly #announcer: Announcer;
  /** Acknowledged or buried, but the disk refused to record it yet. They are never sent again in this process. */
  #unrecorded: (() => void)[] = [];
  #diskRetryAtMs = 0;

  constructor(setup: StoreSetup, journal: Journal, announcer: Announcer) {
    this.#setup = setup;
    this.#journal = journal;
    this.#announcer = announcer;
    // A quarter of the memory: the rest is for the caller's burst and the batches under way.
    const limits = { maxSpans: setup.maxQueueSize, maxBytes: setup.maxMemoryBytes / 4 };
    this.window = new Window(limits, 0, journal.count > 0);
    this.counters.pending = journal.count;
  }

  /** Id of the newest span taken so far. */
  get lastId(): number {
    return this.#journal.lastId;
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
   * Takes what the ring holds, commits it, and frees the ring. Returns whether there may be more to take.
   * @param isAway Langfuse cannot be reached: durability `overflow` must write too.
   */
  takeFrom(ring: RingConsumer, isAway: boolean): boolean {
    if (this.isDiskResting || ring.isEmpty() || !ring.beginCommit()) return false;
    const lastSequence = ring.lastSequence;
    const { payloads, damaged } = ring.take(commitFrames, commitBytes);
    const acceptedAtMs = Date.now();
    const spans = payloads.map((payload) => ({ id: this.#journal.nextId(), acceptedAtMs, payload, journalled: false }));
    try {
      const kept = this.#commit(spans, isAway, ring.lastSequence);
      ring.release();
      this.#diskRetryAtMs = 0;
      this.counters.taken += spans.length + damaged;
      this.counters.droppedDamaged += damaged;
      this.counters.pending += kept.length;
      this.counters.droppedDiskFull += spans.length - kept.length;
      for (const span of kept) this.window.append(span);
    } catch (error) {
      ring.rewind(lastSequence);
      this.#diskFailed(error);
      return false;
    } finally {
      ring.endCommit();
    }
    if (damaged > 0) this.#announcer.say("damaged", "warn", `${damaged} spans were overwritten in memory and are lost`);
    return spans.length > 0;
  }

  /** Langfuse went away, or the process ends: what is in memory alone goes to the journal. */
  journalAll(spans: Iterable<PendingSpan>): void {
    const inMemory = [...spans, ...this.window].filter((span) => !span.journalled);
    if (inMemory.length === 0) return;
    try {
      this.#journal.insert(inMemory);
      for (const span of inMemory) span.journalled = true;
    } catch (error) {
      this.#diskFailed(error);
    }
  }

  acknowledge(spans: readonly PendingSpan[]): void {
    this.#record(() => {
      const removed = this.#journal.remove(spans.filter((span) => span.journalled).map((span) => span.id));
      this.counters.pending -= removed + spans.filter((span) => !span.journalled).length;
      this.counters.acknowledged += spans.length;
    });
  }

  bury(spans: readonly PendingSpan[], status: number | undefined, reason: string): void {
    this.#record(() => {
      this.#journal.bury(
        spans.map((span) => ({ span, status, reason })),
        Date.now(),
      );
      this.counters.pending -= spans.length;
      this.counters.deadLettered += spans.length;
    });
    this.#announcer.say("dead-letter", "warn", `${spans.length} span(s) went to the dead letters: ${reason}`);
  }

  /** Brings spans that are in the journal alone into the window, as far as there is room. */
  load(): void {
    while (this.window.hasUnloaded && !this.window.isFull) {
      const { spans: room, bytes } = this.window.room;
      const limit = Math.min(room, loadSpans);
      const rows = this.#journal.read(this.window.loadedThroughId, limit, bytes);
      this.window.load(
        rows.spans.map((span) => ({ ...span, journalled: true })),
        rows.isAll,
      );
      if (rows.spans.length === 0) return;
    }
  }

  /** Tries again what the disk has refused. */
  retryRecords(): void {
    if (this.#unrecorded.length === 0 || this.isDiskResting) return;
    const actions = this.#unrecorded;
    this.#unrecorded = [];
    for (const action of actions) this.#record(action);
  }

  /** Has the disk taken every outcome? */
  get isAllRecorded(): boolean {
    return this.#unrecorded.length === 0;
  }

  /** Gives free pages back when the queue is empty. Returns whether to call again. */
  shrink(): boolean {
    if (this.#journal.count > 0 || this.isDiskResting) return false;
    try {
      return this.#journal.shrink();
    } catch (error) {
      this.#diskFailed(error);
      return false;
    }
  }

  measure(oldestInFlight: PendingSpan | undefined): void {
    this.counters.journalSpans = this.#journal.count;
    this.counters.journalBytes = this.#journal.fileBytes();
    const oldest = oldestInFlight ?? this.window.oldest;
    this.counters.oldestPendingAtMs = oldest?.acceptedAtMs ?? 0;
  }

  /** Closes the journal; an empty one gives its room back first, as far as that takes no noticeable time. */
  close(): void {
    const deadlineMs = performance.now() + closingShrinkMs;
    while (performance.now() < deadlineMs && this.shrink());
    this.#journal.close();
  }

  /** Returns the spans that are kept; the others are over the disk's limit. */
  #commit(spans: PendingSpan[], isAway: boolean, sequence: number): PendingSpan[] {
    if (spans.length === 0) return spans;
    const bytes = bytesOf(spans);
    const mayStayInMemory = this.#setup.durability === "overflow" && !isAway;
    if (mayStayInMemory && this.window.hasRoomFor(spans.length, bytes)) return spans;
    if (!this.#makeRoom(bytes)) return [];
    this.#journal.insert(spans, { ringId: this.#setup.ringId, sequence });
    for (const span of spans) span.journalled = true;
    return spans;
  }

  /** Makes room on the disk by the overflow policy. Returns whether there is enough. */
  #makeRoom(incomingBytes: number): boolean {
    const limit = this.#setup.maxDiskBytes - incomingBytes;
    if (this.#journal.usedBytes() <= limit) return true;
    this.#announcer.say(
      "disk-full",
      "warn",
      `the journal has reached maxDiskBytes (${this.#setup.maxDiskBytes}): spans are dropped (${this.#setup.overflowPolicy})`,
    );
    if (this.#setup.overflowPolicy === "drop-newest") return false;
    while (this.#journal.usedBytes() > limit) {
      // Nothing that is under way: the oldest that nobody has been handed.
      const handedOutThrough = (this.window.oldest?.id ?? this.window.loadedThroughId + 1) - 1;
      const dropped = this.#journal.dropOldest(handedOutThrough, dropSpans);
      if (dropped.length === 0) return false;
      this.window.forget(dropped);
      this.counters.pending -= dropped.length;
      this.counters.droppedDiskFull += dropped.length;
    }
    return true;
  }

  #record(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#unrecorded.push(action);
      this.#diskFailed(error);
    }
  }

  #diskFailed(error: unknown): void {
    const message = `the journal cannot be written: ${(error as Error).message}; spans wait in memory`;
    this.#diskRetryAtMs = performance.now() + diskRetryMs;
    this.#announcer.say("disk", "warn", message);
    this.#announcer.lastError(message);
  }
}
