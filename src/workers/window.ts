import type { SpanRun } from "../buffer/span-run.ts";
import { IdRanges } from "./id-ranges.ts";

export interface WindowLimits {
  maxSpans: number;
  maxBytes: number;
}

/** Spans of the live lane, and since when they are there (`performance.now()`). */
interface Waiting {
  run: SpanRun;
  sinceMs: number;
}

/**
 * The spans that wait, in two lanes. **Live**: the newest, in memory, at most `maxSpans` and `maxBytes`. **Backfill**:
 * older ones, in the journal alone, of which only the ids are known here. New spans enter the live lane; what it cannot
 * hold leaves it at its old end and becomes backfill, so every id of the backfill is below every id of the live lane.
 */
export class Window {
  readonly backfill: IdRanges = new IdRanges();
  readonly #limits: WindowLimits;
  #waiting: Waiting[] = [];
  #head = 0;
  #count = 0;
  #bytes = 0;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** Spans in the live lane. */
  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What can come without anything being crowded out. */
  get room(): { spans: number; bytes: number } {
    return { spans: this.#limits.maxSpans - this.#count, bytes: this.#limits.maxBytes - this.#bytes };
  }

  /** The oldest spans of the live lane. */
  get oldest(): SpanRun | undefined {
    return this.#waiting[this.#head]?.run;
  }

  /** Since when they are there (`performance.now()`): the wall clock may be set while they wait. */
  get oldestSinceMs(): number | undefined {
    return this.#waiting[this.#head]?.sinceMs;
  }

  /** The live lane, oldest first. */
  *[Symbol.iterator](): Generator<SpanRun> {
    for (let index = this.#head; index < this.#waiting.length; index++) yield (this.#waiting[index] as Waiting).run;
  }

  /**
   * What must leave so that `append` can take these spans: all of it has to be in the journal before. With a run that
   * is too large for the lane, that is the run too.
   */
  crowdedOut(incoming: SpanRun): SpanRun[] {
    if (incoming.count > this.#limits.maxSpans || incoming.byteLength > this.#limits.maxBytes) {
      return [...this, incoming];
    }
    const out: SpanRun[] = [];
    let spans = this.#count + incoming.count - this.#limits.maxSpans;
    let bytes = this.#bytes + incoming.byteLength - this.#limits.maxBytes;
    for (let index = this.#head; index < this.#waiting.length && (spans > 0 || bytes > 0); index++) {
      const { run } = this.#waiting[index] as Waiting;
      out.push(run);
      spans -= run.count;
      bytes -= run.byteLength;
    }
    return out;
  }

  /** New spans, the newest of all. What they crowd out becomes backfill. */
  append(run: SpanRun): void {
    this.#waiting.push({ run, sinceMs: performance.now() });
    this.#count += run.count;
    this.#bytes += run.byteLength;
    while (this.#count > this.#limits.maxSpans || this.#bytes > this.#limits.maxBytes) {
      const oldest = this.oldest as SpanRun;
      const evicted = this.#shift(oldest, Math.max(1, excessOf(oldest, this.#excessSpans(), this.#excessBytes())));
      this.backfill.add(evicted.firstId, evicted.lastId);
      evicted.release();
    }
  }

  /** Takes the oldest spans of the live lane: at most so many and so many bytes, but at least one. */
  take(maxSpans: number, maxBytes: number): SpanRun[] {
    const taken: SpanRun[] = [];
    let spans = 0;
    let bytes = 0;
    for (let run = this.oldest; run !== undefined && spans < maxSpans; run = this.oldest) {
      const fitting = run.fitting(maxSpans - spans, maxBytes - bytes);
      if (fitting === 0 && spans > 0) break;
      const part = this.#shift(run, Math.max(1, fitting));
      taken.push(part);
      spans += part.count;
      bytes += part.byteLength;
    }
    return taken;
  }

  /** Takes the first spans of the oldest run out. */
  #shift(oldest: SpanRun, count: number): SpanRun {
    const part = oldest.slice(0, count);
    if (count === oldest.count) {
      this.#waiting[this.#head++] = undefined as unknown as Waiting;
      if (this.#head > 64 && this.#head * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#head);
        this.#head = 0;
      }
    } else (this.#waiting[this.#head] as Waiting).run = oldest.slice(count);
    this.#count -= part.count;
    this.#bytes -= part.byteLength;
    return part;
  }

  #excessSpans(): number {
    return this.#count - this.#limits.maxSpans;
  }

  #excessBytes(): number {
    return this.#bytes - this.#limits.maxBytes;
  }
}

/** How many of its first spans must go to be rid of so many spans and so many bytes; all of them if that is not enough. */
function excessOf(run: SpanRun, spans: number, bytes: number): number {
  if (spans >= run.count || bytes >= run.byteLength) return run.count;
  let count = Math.max(0, spans);
  if (bytes > 0) count = Math.max(count, run.fitting(run.count, bytes - 1) + 1);
  return Math.min(run.count, count);
}
