import type { SpanRun } from "../buffer/span-run.ts";
import type { BatchSize } from "./batch-size.ts";
import type { Store } from "./store.ts";

/** While there is backfill, so many batches of new spans go before one of it: it keeps a quarter of the sending (P11). */
const liveBatchesInARow = 3;

export interface LanesSetup {
  batchSize: number;
  flushIntervalMs: number;
}

/** Which of the waiting spans go next, and when. Spans of the backfill have waited long enough: they are always due. */
export class Lanes {
  readonly #setup: LanesSetup;
  readonly #store: Store;
  readonly #size: BatchSize;
  #liveInARow = 0;
  /** Somebody waits for delivery: no batch waits to be full. */
  isUrgent = false;

  constructor(setup: LanesSetup, store: Store, size: BatchSize) {
    this.#setup = setup;
    this.#store = store;
    this.#size = size;
  }

  /** When spans will be due (`performance.now()`), if no more come; 0: some are. */
  get dueAtMs(): number {
    const { backfill, oldestSinceMs } = this.#store.window;
    if (this.#isLiveDue() || !backfill.isEmpty) return 0;
    return oldestSinceMs === undefined ? Number.POSITIVE_INFINITY : oldestSinceMs + this.#setup.flushIntervalMs;
  }

  /** Takes new spans before old ones (P11), but for the share that the old ones keep. None when none are due. */
  take(maxSpans: number, maxBytes: number): SpanRun[] {
    const isLiveDue = this.#isLiveDue();
    const isBackfill = !this.#store.window.backfill.isEmpty;
    if (isBackfill && (!isLiveDue || this.#liveInARow >= liveBatchesInARow)) {
      this.#liveInARow = 0;
      const runs = this.#store.takeBackfill(maxSpans, maxBytes);
      if (runs.length > 0) return runs;
    }
    if (!isLiveDue) return [];
    if (isBackfill) this.#liveInARow++;
    return this.#store.takeLive(maxSpans, maxBytes);
  }

  /** Is the live lane's next batch full, old enough, or wanted? */
  #isLiveDue(): boolean {
    const { count, bytes, oldestSinceMs } = this.#store.window;
    if (oldestSinceMs === undefined) return false;
    if (this.isUrgent || count >= this.#setup.batchSize || bytes >= this.#size.maxBytes) return true;
    return performance.now() - oldestSinceMs >= this.#setup.flushIntervalMs;
  }
}
