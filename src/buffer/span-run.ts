import type { PackedPayloads } from "./packed-payloads.ts";

/**
 * Spans with consecutive ids that were accepted at the same time. Behind the ring, spans are handled in runs, not one
 * by one: an object and a Buffer for each of them would cost more than all that is done with it.
 */
export class SpanRun {
  readonly firstId: number;
  readonly acceptedAtMs: number;
  /** Is it in the journal too? Always with durability `journal`; with `overflow` only once it had to be. */
  isJournalled: boolean;
  readonly #packed: PackedPayloads;
  /** The part of `#packed` that is meant. */
  readonly #from: number;
  readonly #to: number;

  constructor(
    firstId: number,
    acceptedAtMs: number,
    packed: PackedPayloads,
    isJournalled: boolean,
    from = 0,
    to: number = packed.count,
  ) {
    this.firstId = firstId;
    this.acceptedAtMs = acceptedAtMs;
    this.isJournalled = isJournalled;
    this.#packed = packed;
    this.#from = from;
    this.#to = to;
  }

  get count(): number {
    return this.#to - this.#from;
  }

  get lastId(): number {
    return this.firstId + this.count - 1;
  }

  get byteLength(): number {
    return this.#offset(this.#to) - this.#offset(this.#from);
  }

  /** All payloads, end to end: a view. */
  get bytes(): Buffer {
    return this.#packed.bytes.subarray(this.#offset(this.#from), this.#offset(this.#to));
  }

  /** One payload: a view. */
  payload(index: number): Buffer {
    const at = this.#from + index;
    return this.#packed.bytes.subarray(this.#offset(at), this.#offset(at + 1));
  }

  payloadBytes(index: number): number {
    return this.#offset(this.#from + index + 1) - this.#offset(this.#from + index);
  }

  /** A part of it, without copying. */
  slice(from: number, to: number = this.count): SpanRun {
    if (from === 0 && to === this.count) return this;
    const { firstId, acceptedAtMs, isJournalled } = this;
    return new SpanRun(firstId + from, acceptedAtMs, this.#packed, isJournalled, this.#from + from, this.#from + to);
  }

  /** The same spans under other ids. */
  renumbered(firstId: number): SpanRun {
    return new SpanRun(firstId, this.acceptedAtMs, this.#packed, this.isJournalled, this.#from, this.#to);
  }

  /** How many of its first spans are at most so many and have at most so many bytes. */
  fitting(maxSpans: number, maxBytes: number): number {
    const most = Math.min(this.count, maxSpans);
    if (most <= 0) return 0;
    const limit = this.#offset(this.#from) + maxBytes;
    if (this.#offset(this.#from + most) <= limit) return most;
    // The last boundary that is not beyond the limit.
    let low = 0;
    let high = most;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (this.#offset(this.#from + middle) <= limit) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Nobody will look at its payloads again. Of a run and its slices each span is released once. */
  release(): void {
    this.#packed.release(this.count);
  }

  #offset(index: number): number {
    return this.#packed.offsets[index] as number;
  }
}

export function countOf(runs: readonly SpanRun[]): number {
  let count = 0;
  for (const run of runs) count += run.count;
  return count;
}

export function bytesOf(runs: readonly SpanRun[]): number {
  let bytes = 0;
  for (const run of runs) bytes += run.byteLength;
  return bytes;
}
