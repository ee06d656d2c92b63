/** Answers that the judgement on latency rests on: the latest. */
const judgedAnswers = 8;

/** An answer is slow when it takes so many times the best of late, and so much longer. Below is noise: a busy core, a collector. */
const slowFactor = 3;
const slowExtraMs = 500;

/** With each answer the best of late grows by this, so that a server that has become slower for good is believed in the end. */
const forgetting = 1.02;

export interface ConcurrencyClock {
  nowMs(): number;
}

/**
 * How many requests may be under way at once: `most` in fair weather, fewer for a server that is in trouble or comes
 * out of it. So a recovery does not flood: 1, 2, 3 …, not everybody's everything at once.
 *
 * | event | limit |
 * |---|---|
 * | start | `most` |
 * | the first success after a failure (the probe) | stays |
 * | as many successes as the limit | 1 more, up to `most` |
 * | a failure (outage, 5xx, time limit, 429, refused keys) | half; requests of one wave that fail together count once |
 * | a probe that fails too | 1 |
 * | most of the latest answers are slow | half; no step up while answers are slow |
 */
export class Concurrency {
  readonly #most: number;
  readonly #clock: ConcurrencyClock;
  #limit: number;
  /** Since the limit was last changed. */
  #successes = 0;
  #failuresInARow = 0;
  /** Requests sent before tell nothing about what has changed since. */
  #loweredAtMs = Number.NEGATIVE_INFINITY;
  /** Of the latest answers: was it slow? */
  #slow: boolean[] = [];
  /** The shortest latency of late by the size of the request, in powers of two: larger ones may take longer. */
  readonly #bestMs = new Map<number, number>();

  constructor(most: number, clock: ConcurrencyClock = { nowMs: () => performance.now() }) {
    this.#most = most;
    this.#clock = clock;
    this.#limit = most;
  }

  get limit(): number {
    return this.#limit;
  }

  /** A request of so many bytes that was sent at `sentAtMs` came through just now. */
  succeed(sentAtMs: number, bytes: number): void {
    if (sentAtMs < this.#loweredAtMs) return;
    if (this.#failuresInARow > 0) {
      this.#failuresInARow = 0;
      return;
    }
    const isSlow = this.#isSlow(this.#clock.nowMs() - sentAtMs, bytes);
    this.#slow.push(isSlow);
    if (this.#slow.length > judgedAnswers) this.#slow.shift();
    if (this.#slow.filter(Boolean).length * 2 > judgedAnswers) this.#lower(this.#limit / 2);
    else if (!isSlow && this.#limit < this.#most && ++this.#successes >= this.#limit) {
      this.#limit++;
      this.#successes = 0;
    }
  }

  /** A request that was sent at `sentAtMs` failed for a reason that is the server's, or the way's to it. */
  fail(sentAtMs: number): void {
    if (sentAtMs < this.#loweredAtMs) return;
    this.#failuresInARow++;
    this.#lower(this.#failuresInARow > 1 ? 1 : this.#limit / 2);
  }

  #lower(limit: number): void {
    this.#limit = Math.max(1, Math.floor(limit));
    this.#loweredAtMs = this.#clock.nowMs();
    this.#successes = 0;
    this.#slow = [];
  }

  #isSlow(latencyMs: number, bytes: number): boolean {
    const sizeClass = Math.ceil(Math.log2(bytes + 1));
    const bestMs = this.#bestMs.get(sizeClass) ?? latencyMs;
    this.#bestMs.set(sizeClass, Math.min(latencyMs, bestMs * forgetting));
    return latencyMs > Math.max(bestMs * slowFactor, bestMs + slowExtraMs);
  }
}
