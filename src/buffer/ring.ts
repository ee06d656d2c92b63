/**
 * The ring between the caller's thread (the only producer: ring-producer.ts) and the pump (the only consumer:
 * ring-consumer.ts): its layout and memory order. Frames in a
 * SharedArrayBuffer that belongs to the caller, so that it outlives a pump that crashes.
 *
 *     control words (64 × 32 bits)          data (a power of two of bytes)
 *     ├ write ┼ read ┼ sleeping ┼ wake … ┼ ├ frame ─┼ frame ─┼ padding ┤
 *
 * `write` and `read` count bytes since the start, modulo 2^32; a position is a counter modulo the capacity, and
 * `write - read` is what is occupied. A frame never crosses the end: a padding frame fills the rest.
 *
 * Memory order. The producer writes a frame with plain stores, then stores `write` atomically: a consumer that loads
 * that value sees the frame whole. The consumer copies frames out, commits them, then stores `read` atomically: a
 * producer that loads it may overwrite. So an uncommitted span stays in the ring, and a new pump finds it again.
 *
 * Sleep and wake. The consumer stores `sleeping` = 1, then looks at `write` once more, then waits on `wake`. The
 * producer stores `write`, then loads `sleeping`. All four are sequentially consistent, so at least one of the two
 * sees the other; the costly notify is paid only when the pump really sleeps.
 *
 * The pulse. `callerDueMs` is when the caller's event loop should next show that it is alive (pulse.ts), 0 while it
 * rests. A pump that finds the moment gone leaves it the core.
 *
 * Signs of life. The pump counts its rounds in `turns`; a caller that sees them stand still while there is work replaces
 * the pump (pump-watch.ts).
 *
 * Several rings. A thread of the host may have a ring of its own to the same pump (attached-link.ts). The buffer's own ring
 * leads: the pump sleeps on its words, is woken through them, and claims all rings with its `owner`. Every end of another
 * ring therefore knows the leading one too; of its own it uses `write`, `read` and the words of attached-link.ts.
 *
 * The end. A process that is about to exit sets `settling` to `wanted` and blocks until the pump has committed all and
 * set it to `done`. When no pump has claimed the ring (`owner`), the caller claims it instead and writes a spill file.
 */
import { type FrameMemory, frameMemory, frameSize } from "./frame.ts";

const controlWords = 64;
const controlBytes = controlWords * 4;

/** Where each control word is. */
export const word = {
  write: 0,
  read: 1,
  sleeping: 2,
  wake: 3,
  owner: 4,
  settling: 5,
  callerDueMs: 6,
  turns: 7,
  closed: 8,
  ended: 9,
  safe: 10,
  flushWanted: 11,
  flushDone: 12,
  countedEven: 13,
  countedOdd: 14,
} as const;

/** Where the figures of an attached ring's producer are in its control part: numbers of 64 bits (attached-link.ts). */
export const figuresAt = { byteOffset: 64, length: 5 } as const;

/**
 * Values of `owner`: who may take frames. The pump has `committing` while frames are between ring and journal; the
 * caller takes over from `nobody` or from `pump`, never from `committing`, so a frame is never in journal and spill file.
 */
export const owner = { nobody: 0, pump: 1, caller: 2, committing: 3 } as const;

/** Values of `settling`. */
export const settling = { no: 0, wanted: 1, done: 2 } as const;

/** The smallest ring (a power of two, in bytes) of at least `ringBytes` that can hold any two spans of `maxSpanBytes`. */
export function ringCapacityBytes(ringBytes: number, maxSpanBytes: number): number {
  const wanted = Math.max(ringBytes, 2 * frameSize(maxSpanBytes), 4096);
  return 2 ** Math.ceil(Math.log2(wanted));
}

/** The control words of a ring, as both ends and those who look on see them. */
export function controlOf(memory: SharedArrayBuffer): Int32Array {
  return new Int32Array(memory, 0, controlWords);
}

export function createRingMemory(capacityBytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(controlBytes + capacityBytes);
}

/**
 * To be called by a thread that forgets a ring. The garbage collector does not count memory that threads share, and would let
 * gigabytes of forgotten rings lie; so it is shown as much that it does count, forgotten at once.
 */
export function forgetRing(capacityBytes: number): void {
  void Buffer.allocUnsafeSlow(capacityBytes);
}

/** What both ends know and do. */
export class RingEnd {
  readonly capacityBytes: number;
  protected readonly control: Int32Array;
  /** Control words of the leading ring: this one's own, but for an attached ring. */
  protected readonly lead: Int32Array;
  protected readonly data: FrameMemory;
  protected readonly mask: number;

  constructor(memory: SharedArrayBuffer, lead?: SharedArrayBuffer) {
    this.capacityBytes = memory.byteLength - controlBytes;
    this.mask = this.capacityBytes - 1;
    this.control = controlOf(memory);
    this.lead = lead === undefined ? this.control : controlOf(lead);
    this.data = frameMemory(memory, controlBytes, this.capacityBytes);
  }

  /** Bytes between the two cursors. */
  occupiedBytes(): number {
    return (Atomics.load(this.control, word.write) - Atomics.load(this.control, word.read)) >>> 0;
  }

  /** Wakes the consumer if it sleeps. Any thread may call it. */
  wake(): void {
    if (Atomics.load(this.lead, word.sleeping) === 0) return;
    Atomics.store(this.lead, word.sleeping, 0);
    Atomics.add(this.lead, word.wake, 1);
    Atomics.notify(this.lead, word.wake);
  }
}
