/**
 * What is said beside the frames of an attached ring: one that a thread of the host has to the buffer's pump. Three
 * threads share its memory: the producer's own, the pump's, and the one that owns the buffer. All is in the control part
 * of the ring (ring.ts), so it outlives both ends; whoever follows a pump that crashed finds it as it was.
 *
 * - `ended`: no frame will follow. Set by the producer when it leaves, or by the owner when the producer's thread is gone.
 *   Whoever finds it set, and afterwards nothing in the ring, has had all of it.
 * - `closed`, in the leading ring: the buffer is shut down, and takes nothing more.
 * - `flushWanted`, set by the producer, is one more than `flushDone` while it waits for a flush.
 * - `counted`: number of the last frame that the pump's published figures count. There are two, as there are two places for
 *   those figures (counters.ts): so both change in one moment, whenever the pump dies.
 * - `safe`: number of the last frame that needs no crash log any more.
 * - The figures of the producer. It adds to `accepted` before a frame can be seen, and to the reasons of drops afterwards;
 *   who reads frames taken first, then drops, then `accepted`, never finds more taken than there are. Each is one aligned
 *   store of 64 bits, which no machine that Node runs on tears.
 */
import { controlOf, figuresAt, word } from "./ring.ts";

/** Of spans that an attached producer has not kept. */
export interface ProducerDrops {
  "memory-full": number;
  "shut-down": number;
  "sampled-out": number;
}

const figure = { accepted: 0, truncated: 1, memoryFull: 2, shutDown: 3, sampledOut: 4 } as const;

export class AttachedLink {
  readonly #control: Int32Array;
  readonly #lead: Int32Array;
  readonly #figures: Float64Array;

  constructor(memory: SharedArrayBuffer, lead: SharedArrayBuffer) {
    this.#control = controlOf(memory);
    this.#lead = controlOf(lead);
    this.#figures = new Float64Array(memory, figuresAt.byteOffset, figuresAt.length);
  }

  /** No frame will follow. Whoever says so also wakes the pump. */
  end(): void {
    Atomics.store(this.#control, word.ended, 1);
  }

  get hasEnded(): boolean {
    return Atomics.load(this.#control, word.ended) !== 0;
  }

  get isBufferClosed(): boolean {
    return Atomics.load(this.#lead, word.closed) !== 0;
  }

  /** For the producer, which then wakes the pump. Returns the number of the request. */
  wantFlush(): number {
    return Atomics.add(this.#control, word.flushWanted, 1) + 1;
  }

  isFlushed(request: number): boolean {
    return ((Atomics.load(this.#control, word.flushDone) - request) | 0) >= 0;
  }

  /** Number of the latest request that has no answer yet; undefined: there is none. */
  get openFlush(): number | undefined {
    const wanted = Atomics.load(this.#control, word.flushWanted);
    return wanted === Atomics.load(this.#control, word.flushDone) ? undefined : wanted;
  }

  /** Answers this request and all before it. */
  flushed(request: number): void {
    Atomics.store(this.#control, word.flushDone, request);
  }

  /** For the pump, with the figures that it publishes in this place. */
  count(place: 0 | 1, sequence: number): void {
    Atomics.store(this.#control, word.countedEven + place, sequence | 0);
  }

  /** Number of the last frame, modulo 2^32, in the figures of this place. */
  counted(place: 0 | 1): number {
    return Atomics.load(this.#control, word.countedEven + place) >>> 0;
  }

  /** The same of whichever place is ahead: for those who do not know the place. */
  get lastCounted(): number {
    const [even, odd] = [this.counted(0), this.counted(1)];
    return ((even - odd) | 0) > 0 ? even : odd;
  }

  set safe(sequence: number) {
    Atomics.store(this.#control, word.safe, sequence | 0);
  }

  get safe(): number {
    return Atomics.load(this.#control, word.safe) >>> 0;
  }

  /** One more span comes. */
  accept(accepted: number): void {
    this.#figures[figure.accepted] = accepted;
  }

  /** What has become of it, when that is not simply a frame. */
  account(truncated: number, drops: ProducerDrops): void {
    this.#figures[figure.truncated] = truncated;
    this.#figures[figure.memoryFull] = drops["memory-full"];
    this.#figures[figure.shutDown] = drops["shut-down"];
    this.#figures[figure.sampledOut] = drops["sampled-out"];
  }

  get accepted(): number {
    return this.#at("accepted");
  }

  get truncated(): number {
    return this.#at("truncated");
  }

  get dropped(): ProducerDrops {
    return {
      "memory-full": this.#at("memoryFull"),
      "shut-down": this.#at("shutDown"),
      "sampled-out": this.#at("sampledOut"),
    };
  }

  /** Spans that have become frames, will become some, or are becoming one just now. */
  get kept(): number {
    const dropped = this.#at("memoryFull") + this.#at("shutDown") + this.#at("sampledOut");
    return this.accepted - dropped;
  }

  #at(name: keyof typeof figure): number {
    return this.#figures[figure[name]] as number;
  }
}

/** For the owner of a buffer: it takes nothing more from attached threads. */
export function closeToAttached(lead: SharedArrayBuffer): void {
  Atomics.store(controlOf(lead), word.closed, 1);
}
