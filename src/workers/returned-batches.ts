import type { Batch } from "./batch.ts";

/** A batch that failed rests before it is sent again, doubling from here to a minute, while others take their turn. */
const firstRestMs = 500;
const maxRestMs = 60_000;

/** Batches that came back unfinished: parts of a refused one, to be sent at once, and failed ones, which rest. */
export class ReturnedBatches {
  #batches: Batch[] = [];

  *[Symbol.iterator](): Generator<Batch> {
    yield* this.#batches;
  }

  /** All of them are in memory, the resting ones too. */
  get bytes(): number {
    return this.#batches.reduce((sum, batch) => sum + batch.bytes, 0);
  }

  /** When the first of them may be sent (`performance.now()`); infinite when there is none. */
  get readyAtMs(): number {
    return this.#batches.reduce((earliest, batch) => Math.min(earliest, batch.notBeforeMs), Number.POSITIVE_INFINITY);
  }

  /** To be sent before all others. */
  addFirst(...batches: Batch[]): void {
    this.#batches.unshift(...batches);
  }

  /** Behind all others and for a while: a batch that the server can never take must not block them. */
  rest(batch: Batch): void {
    batch.notBeforeMs = performance.now() + Math.min(maxRestMs, firstRestMs * 2 ** (batch.failures - 1));
    this.#batches.push(batch);
  }

  /** The next one that may be sent now. */
  ready(): Batch | undefined {
    const nowMs = performance.now();
    return this.#batches.find((batch) => batch.notBeforeMs <= nowMs);
  }

  remove(batch: Batch): void {
    this.#batches.splice(this.#batches.indexOf(batch), 1);
  }

  /** Somebody waits: nothing rests any longer. */
  hurry(): void {
    for (const batch of this.#batches) batch.notBeforeMs = 0;
  }
}
