import { FrameReader } from "./frame-reader.ts";
import { monotonicMs } from "./monotonic-ms.ts";
import { PackedPayloads } from "./packed-payloads.ts";
import { owner, RingEnd, settling, word } from "./ring.ts";

export interface Taken {
  /** Copies: they stay valid when the ring moves on. */
  payloads: PackedPayloads;
  /** Frames lost to damage before the last of these; 0 unless memory was overwritten. */
  damaged: number;
}

/** The pump's end. */
export class RingConsumer extends RingEnd {
  /** Up to here the room is given back. */
  #read: number;
  /** Up to here frames have been copied out. */
  #taken: number;
  /** Number of the frame that comes next, modulo 2^32. */
  #expected: number;

  /**
   * @param lastSequence number of the last frame that an earlier consumer committed; 0 for a fresh ring.
   * @param lead the leading ring's memory, for an attached ring.
   */
  constructor(memory: SharedArrayBuffer, lastSequence = 0, lead?: SharedArrayBuffer) {
    super(memory, lead);
    this.#read = Atomics.load(this.control, word.read);
    this.#taken = this.#read;
    this.#expected = (lastSequence + 1) >>> 0;
  }

  /** Takes the ring for this pump; `false`: the caller was quicker and writes its frames to a spill file. */
  claim(): boolean {
    const claimed = Atomics.compareExchange(this.control, word.owner, owner.nobody, owner.pump) === owner.nobody;
    Atomics.notify(this.control, word.owner);
    return claimed;
  }

  /** Before frames are taken; `false`: the caller has taken the ring back, and nothing may be taken any more. */
  beginCommit(): boolean {
    return Atomics.compareExchange(this.control, word.owner, owner.pump, owner.committing) === owner.pump;
  }

  /** After `release` or `rewind`. */
  endCommit(): void {
    Atomics.compareExchange(this.control, word.owner, owner.committing, owner.pump);
    Atomics.notify(this.control, word.owner);
  }

  /** A sign of life. */
  countTurn(): void {
    Atomics.add(this.control, word.turns, 1);
  }

  /** How late the caller's event loop is, in milliseconds; 0 while it rests. */
  callerLateMs(): number {
    const dueMs = Atomics.load(this.control, word.callerDueMs);
    return dueMs === 0 ? 0 : Math.max(0, (monotonicMs() - dueMs) | 0);
  }

  /** Does the caller wait for the end? */
  isSettleWanted(): boolean {
    return Atomics.load(this.control, word.settling) === settling.wanted;
  }

  /** Everything is committed and the journal closed. */
  markSettled(): void {
    Atomics.store(this.control, word.settling, settling.done);
    Atomics.notify(this.control, word.settling);
  }

  /** Number of the last frame taken, modulo 2^32. */
  get lastSequence(): number {
    return (this.#expected - 1) >>> 0;
  }

  /** Copies frames out, at most so many and about so many bytes (but at least one). They stay until `release`. */
  take(maxFrames: number, maxBytes: number): Taken {
    const write = Atomics.load(this.control, word.write);
    const reader = new FrameReader(this.data, this.mask, this.#taken);
    const offsets = [0];
    let used = 0;
    let damaged = 0;
    let hasFrame = reader.next(write);
    let copies = Buffer.allocUnsafeSlow(hasFrame ? Math.min((write - this.#taken) >>> 0, maxBytes) : 0);
    for (; hasFrame; hasFrame = reader.next(write)) {
      if (offsets.length > maxFrames) break;
      const { payload } = reader;
      const end = used + payload.length;
      if (end > maxBytes && used > 0) break;
      this.#taken = reader.position;
      const sequence = reader.sequence >>> 0;
      const behind = (this.#expected - sequence) >>> 0;
      // Behind: an earlier consumer committed this frame and died before it moved the cursor.
      if (behind !== 0 && behind <= 0x7fffffff) continue;
      damaged += (sequence - this.#expected) >>> 0;
      this.#expected = (sequence + 1) >>> 0;
      // A flat span becomes longer on its way.
      if (end > copies.length) copies = resized(copies, used, Math.max(end, Math.min(2 * copies.length, maxBytes)));
      copies.set(payload, used);
      used = end;
      offsets.push(used);
    }
    if (!hasFrame) this.#taken = reader.position;
    // Small spans may fill little of it, and a run keeps the whole of its memory.
    if (used * 2 < copies.length) copies = resized(copies, used, used);
    return { payloads: new PackedPayloads(copies, offsets), damaged };
  }

  /** The frames taken so far are safe: their room is free. */
  release(): void {
    if (this.#read === this.#taken) return;
    this.#read = this.#taken;
    Atomics.store(this.control, word.read, this.#read);
    Atomics.notify(this.control, word.read);
  }

  /** The frames taken since the last `release` could not be kept: the next `take` brings them again. */
  rewind(lastSequence: number): void {
    this.#taken = this.#read;
    this.#expected = (lastSequence + 1) >>> 0;
  }

  /** A mark behind everything that is written now; see `hasReleased`. */
  mark(): number {
    return Atomics.load(this.control, word.write);
  }

  /** Has all that was written before `mark` been released? */
  hasReleased(mark: number): boolean {
    return ((this.#read - mark) | 0) >= 0;
  }

  /** Is there nothing to take? */
  isEmpty(): boolean {
    return Atomics.load(this.control, word.write) === this.#taken;
  }

  /**
   * Sleeps until the producer writes, somebody calls `wake`, or the time is over. Does not block the thread.
   * `mayNotSleep` is asked after the producer has been told, so that a reason that comes up meanwhile is not missed.
   */
  async sleep(timeoutMs: number, mayNotSleep: () => boolean): Promise<void> {
    const wakeValue = Atomics.load(this.control, word.wake);
    Atomics.store(this.control, word.sleeping, 1);
    if (this.isEmpty() && !mayNotSleep()) {
      const waiting = Atomics.waitAsync(this.control, word.wake, wakeValue, timeoutMs);
      if (waiting.async) await waiting.value;
    }
    Atomics.store(this.control, word.sleeping, 0);
  }
}

/** The first so many bytes in memory of another size; the old memory goes at once, since no collector sees it fill up. */
function resized(copies: Buffer<ArrayBuffer>, used: number, size: number): Buffer<ArrayBuffer> {
  const other = Buffer.allocUnsafeSlow(size);
  other.set(copies.subarray(0, used));
  copies.buffer.transfer(0);
  return other;
}
