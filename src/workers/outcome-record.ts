import type { Counters } from "../buffer/counters.ts";
import type { Journal } from "../buffer/journal.ts";
import { countOf, type SpanRun } from "../buffer/span-run.ts";
import type { Announcer } from "./announcer.ts";
import type { JournalHold } from "./journal-hold.ts";
import type { PumpSetup } from "./messages.ts";
import { Outcomes } from "./outcomes.ts";

/** From this share of their room on the dead letters are worth a warning. */
const nearlyFull = 0.9;

/** What one turn of the pump may spend on a full disk. */
const fullDiskTurnMs = 50;

/** Rows are not smaller. */
const leastSpanBytes = 100;

export interface OutcomeRecordParts {
  setup: Pick<PumpSetup, "maxDeadLetterBytes" | "maxMemoryBytes">;
  hold: JournalHold;
  counters: Counters;
  announcer: Announcer;
}

/** Brings what became of spans into the journal and into the counters: a counter changes once the journal has it (P2). */
export class OutcomeRecord {
  readonly #parts: OutcomeRecordParts;
  readonly #outcomes = new Outcomes();
  #recordedCount = 0;

  constructor(parts: OutcomeRecordParts) {
    this.#parts = parts;
  }

  /** Spans whose outcome the journal has, since the start. */
  get recordedCount(): number {
    return this.#recordedCount;
  }

  /** Spans whose outcome it does not have yet. */
  get unrecordedCount(): number {
    return this.#outcomes.count;
  }

  get isAllRecorded(): boolean {
    return this.#outcomes.isEmpty;
  }

  /** Have so many piled up in front of a disk that refuses them that no more should come about? */
  get isFull(): boolean {
    return this.#outcomes.bytes >= this.#parts.setup.maxMemoryBytes / 8;
  }

  acknowledge(runs: readonly SpanRun[]): void {
    this.#outcomes.acknowledge(runs);
  }

  bury(runs: readonly SpanRun[], status: number | undefined, reason: string): void {
    this.#outcomes.bury(runs, status, reason);
    const text = `${countOf(runs)} span(s) went to the dead letters: ${reason}`;
    this.#parts.announcer.say("dead-letter", "warn", text);
  }

  /** Has this span an outcome that is not recorded yet? */
  has(id: number): boolean {
    return this.#outcomes.has(id);
  }

  /** Records all of them in one transaction. Returns whether the disk took them. */
  record(): boolean {
    const { hold } = this.#parts;
    if (hold.isDiskResting) return false;
    const isDone = hold.attempt(() => {
      this.recordOrThrow();
      return true;
    });
    if (isDone !== true) return false;
    hold.diskIsWell();
    return true;
  }

  /**
   * Records them on a disk that is full, a little at a time: what a transaction writes must fit into the reserve. Returns
   * whether the disk took them all; otherwise it is to be called again.
   */
  recordOnFullDisk(): boolean {
    const { hold } = this.#parts;
    const deadlineMs = performance.now() + fullDiskTurnMs;
    const isMore = hold.attempt((journal) => {
      const spanBytes = Math.max(leastSpanBytes, journal.space.usedBytes() / Math.max(1, journal.count));
      const spans = Math.max(1, Math.floor(hold.reserveBytes / 4 / spanBytes));
      while (this.#outcomes.removeSome(journal, spans)) {
        journal.space.emptyLog();
        if (performance.now() > deadlineMs) return true;
      }
      journal.space.emptyLog();
      return false;
    });
    return isMore === false && this.record();
  }

  /** @throws what the disk throws. */
  recordOrThrow(): void {
    const { journal } = this.#parts.hold;
    journal.together(() => this.write(journal));
    this.count();
  }

  /** In a transaction of the caller, who calls `count` when that is through. */
  write(journal: Journal): void {
    this.#outcomes.write(journal, this.#parts.setup.maxDeadLetterBytes);
  }

  /** What was written is recorded. */
  count(): void {
    if (this.#outcomes.isEmpty) return;
    const { counters } = this.#parts;
    const { acknowledged, deadLettered, lettersLeft } = this.#outcomes.clear();
    counters.pending -= acknowledged + deadLettered;
    counters.acknowledged += acknowledged;
    counters.deadLettered += deadLettered;
    counters.deadLettersLeft += lettersLeft;
    this.#recordedCount += acknowledged + deadLettered;
    this.countUnrecorded();
    if (deadLettered > 0) this.#sayHowFull();
  }

  /** Counts what the next commit is to record. Returns whether there is anything. */
  countUnrecorded(): boolean {
    const { count, acknowledgedCount } = this.#outcomes;
    this.#parts.counters.acknowledging = acknowledgedCount;
    this.#parts.counters.burying = count - acknowledgedCount;
    return count > 0;
  }

  #sayHowFull(): void {
    const { setup, hold, announcer } = this.#parts;
    if (hold.journal.deadLetters.bytes < setup.maxDeadLetterBytes * nearlyFull) {
      announcer.reset("dead-letters-full");
      return;
    }
    announcer.say(
      "dead-letters-full",
      "warn",
      `the dead letters fill nine tenths of maxDeadLetterBytes (${setup.maxDeadLetterBytes}): the oldest leave for new ones; look at them with deadLetters.list(), then retry or remove them`,
    );
  }
}
