import type { DeadLetter } from "../buffer/dead-letters.ts";
import type { Journal } from "../buffer/journal.ts";
import { PackedPayloads } from "../buffer/packed-payloads.ts";
import { SpanRun } from "../buffer/span-run.ts";

/** What V8 needs for a range or a letter besides its payload: a generous guess. */
const entryBytes = 128;

/**
 * What has become of spans and is not recorded yet. Many reports are recorded in one transaction; what the disk
 * refuses stays here and is tried again. These spans are never sent again in this process.
 */
export class Outcomes {
  /** In the journal, from and through. */
  #acknowledged: [from: number, through: number][] = [];
  #letters: DeadLetter[] = [];
  #acknowledgedCount = 0;
  /** Older letters that had to leave for these. */
  #lettersLeft = 0;
  #letterBytes = 0;

  /** Memory in use, in bytes. */
  get bytes(): number {
    return this.#letterBytes + (this.#acknowledged.length + this.#letters.length) * entryBytes;
  }

  get isEmpty(): boolean {
    return this.#acknowledgedCount === 0 && this.#letters.length === 0;
  }

  acknowledge(runs: readonly SpanRun[]): void {
    for (const run of runs) {
      this.#acknowledgedCount += run.count;
      run.release();
      if (!run.isJournalled) continue;
      const last = this.#acknowledged.at(-1);
      if (last !== undefined && last[1] + 1 === run.firstId) last[1] = run.lastId;
      else this.#acknowledged.push([run.firstId, run.lastId]);
    }
  }

  bury(runs: readonly SpanRun[], status: number | undefined, reason: string): void {
    for (const run of runs) {
      for (let index = 0; index < run.count; index++) {
        // A copy: one refused span must not hold the memory of all that came with it.
        const payload = PackedPayloads.of([run.payload(index)]);
        const span = new SpanRun(run.firstId + index, run.acceptedAtMs, payload, run.isJournalled);
        this.#letters.push({ span, status, reason });
        this.#letterBytes += span.byteLength;
      }
      run.release();
    }
  }

  /** Is this span's outcome among them? */
  has(id: number): boolean {
    if (this.#letters.some(({ span }) => span.firstId === id)) return true;
    return this.#acknowledged.some(([from, through]) => from <= id && id <= through);
  }

  /** How many spans they are about. */
  get count(): number {
    return this.#acknowledgedCount + this.#letters.length;
  }

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  /** Makes the changes; they count once the transaction around is through and `clear` has been called. */
  write(journal: Journal, maxDeadLetterBytes: number): void {
    for (const [from, through] of this.#acknowledged) journal.remove(from, through);
    this.#lettersLeft = 0;
    if (this.#letters.length > 0) this.#lettersLeft = journal.bury(this.#letters, Date.now(), maxDeadLetterBytes);
  }

  /**
   * Removes acknowledged spans from the journal, at most so many, for a disk that has room for little at once. They count
   * with the rest, when that is recorded. Returns whether there are more.
   */
  removeSome(journal: Journal, maxSpans: number): boolean {
    for (let left = maxSpans; left > 0; ) {
      const first = this.#acknowledged[0];
      if (first === undefined) return false;
      const through = Math.min(first[1], first[0] + left - 1);
      journal.remove(first[0], through);
      left -= through - first[0] + 1;
      if (through === first[1]) this.#acknowledged.shift();
      else first[0] = through + 1;
    }
    return this.#acknowledged.length > 0;
  }

  /** Everything is recorded. Returns how many spans that was. */
  clear(): { acknowledged: number; deadLettered: number; lettersLeft: number } {
    const counts = {
      acknowledged: this.#acknowledgedCount,
      deadLettered: this.#letters.length,
      lettersLeft: this.#lettersLeft,
    };
    for (const { span } of this.#letters) span.release();
    this.#acknowledged = [];
    this.#letters = [];
    this.#letterBytes = 0;
    this.#acknowledgedCount = 0;
    return counts;
  }
}
