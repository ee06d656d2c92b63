import type { Counters } from "./buffer/counters.ts";

/** A commit comes every 4 ms under load. */
const lookEveryMs = 1;

interface Waiting {
  sequence: number;
  deadlineMs: number;
  /** Spans that had been refused for want of room when it began to wait. */
  refused: number;
  done: (isCommitted: boolean) => void;
}

/** Those who wait for a commit, all with one timer; none runs while nobody waits. */
export class CommitWait {
  readonly #counters: () => Counters;
  readonly #mayRefuse: boolean;
  #waiting: Waiting[] = [];

  /** @param mayRefuse the overflow policy is `drop-newest`: what finds no room on the disk is not committed. */
  constructor(counters: () => Counters, mayRefuse: boolean) {
    this.#counters = counters;
    this.#mayRefuse = mayRefuse;
  }

  wait(sequence: number, limitMs: number): Promise<boolean> {
    const { safe, droppedDiskFull } = this.#counters();
    if (safe >= sequence) return Promise.resolve(true);
    return new Promise((done) => {
      const deadlineMs = performance.now() + limitMs;
      this.#waiting.push({ sequence, deadlineMs, refused: droppedDiskFull, done });
      if (this.#waiting.length === 1) this.#lookLater();
    });
  }

  #lookLater(): void {
    setTimeout(() => this.#look(), lookEveryMs);
  }

  #look(): void {
    const { safe, droppedDiskFull } = this.#counters();
    const nowMs = performance.now();
    this.#waiting = this.#waiting.filter(({ sequence, deadlineMs, refused, done }) => {
      if (safe < sequence && nowMs < deadlineMs) return true;
      done(safe >= sequence && !(this.#mayRefuse && droppedDiskFull > refused));
      return false;
    });
    if (this.#waiting.length > 0) this.#lookLater();
  }
}
