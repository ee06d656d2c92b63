/** All batches under way together, in bytes: they are in memory twice, here and in the export threads. */
const maxInFlightBytes = 8 * 1024 * 1024;

/** However small the spans are: a batch is what one answer decides on, and what is sent again after a failure. */
const maxBatchSpans = 5_000;

/** A server that finds even this too large is not obeyed any further: its answer is about single spans. */
const minLearnedBytes = 16 * 1024;

/** A process that was killed may be killed again soon: until it has sent for so long, little is under way at once. */
const provenAfterMs = 1_000;

export interface BatchSizeSetup {
  batchSize: number;
  maxBatchBytes: number;
  exportConcurrency: number;
  maxMemoryBytes: number;
  /** No batch grows before so much time has passed since the first that came through. Default: 1,000. */
  provenAfterMs?: number;
}

/**
 * How much goes into the next batch: `batchSize` spans in quiet times. Under a backlog that doubles with each batch
 * that comes through, up to the byte limit; a failure, or the end of the backlog, brings it back.
 */
export class BatchSize {
  readonly #batchSize: number;
  readonly #inFlightBytes: number;
  /** What one slot may have of it. */
  readonly #shareBytes: number;
  readonly #provenAfterMs: number;
  #maxBytes: number;
  #factor = 1;
  #firstSuccessAtMs: number | undefined;

  constructor(setup: BatchSizeSetup) {
    this.#batchSize = setup.batchSize;
    this.#provenAfterMs = setup.provenAfterMs ?? provenAfterMs;
    this.#maxBytes = setup.maxBatchBytes;
    this.#inFlightBytes = Math.min(maxInFlightBytes, setup.maxMemoryBytes / 4);
    this.#shareBytes = this.#inFlightBytes / setup.exportConcurrency;
  }

  get maxSpans(): number {
    return Math.max(this.#batchSize, Math.min(maxBatchSpans, this.#batchSize * this.#factor));
  }

  /** Has it grown under a backlog? */
  get isGrown(): boolean {
    return this.#factor > 1;
  }

  /** The byte limit of any batch. */
  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** The byte limit of the next batch, given what is under way; 0: none may be formed now. */
  roomBytes(inFlightBytes: number): number {
    const left = this.#inFlightBytes - inFlightBytes;
    // Not what happens to be left: many slivers cost more than one batch that waits.
    if (inFlightBytes > 0 && left < Math.min(this.#shareBytes, this.#maxBytes)) return 0;
    return Math.min(this.#maxBytes, this.isGrown ? this.#shareBytes : left);
  }

  /** May a batch of that size, formed earlier, go beside what is under way? */
  mayAdd(bytes: number, inFlightBytes: number): boolean {
    return inFlightBytes === 0 || inFlightBytes + bytes <= this.#inFlightBytes;
  }

  /** A batch came through. Does more wait than the slots will carry at this size? */
  succeeded(waitingSpans: number, slots: number): void {
    const nowMs = performance.now();
    this.#firstSuccessAtMs ??= nowMs;
    const isProven = nowMs - this.#firstSuccessAtMs >= this.#provenAfterMs;
    const isBacklog = waitingSpans > this.maxSpans * slots;
    if (isProven && isBacklog && this.maxSpans < maxBatchSpans) this.#factor *= 2;
  }

  /** Before a batch is formed: without a backlog the normal size is right. */
  settle(waitingSpans: number, slots: number): void {
    if (waitingSpans <= this.#batchSize * slots) this.#factor = 1;
  }

  reset(): void {
    this.#factor = 1;
  }

  /** The server found a batch of so many bytes too large. */
  tooLarge(bytes: number): void {
    this.#maxBytes = Math.min(this.#maxBytes, Math.max(minLearnedBytes, bytes / 2));
  }
}
