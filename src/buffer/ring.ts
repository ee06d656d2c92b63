/**
 * The ring between the caller's thread (the only producer) and the pump (the only consumer): frames in a
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
 * The end. A process that is about to exit sets `settling` to `wanted` and blocks until the pump has committed all and
 * set it to `done`. When no pump has claimed the ring (`owner`), the caller claims it instead and writes a spill file.
 */
import {
  type FrameMemory,
  frameHeaderBytes,
  frameKind,
  frameMemory,
  frameSize,
  isFrameWhole,
  sealFrame,
} from "./frame.ts";
import { monotonicMs } from "./monotonic-ms.ts";
import { PackedPayloads } from "./packed-payloads.ts";

const controlWords = 64;
const controlBytes = controlWords * 4;

const word = { write: 0, read: 1, sleeping: 2, wake: 3, owner: 4, settling: 5, callerDueMs: 6, turns: 7 } as const;

/**
 * Values of `owner`: who may take frames. The pump has `committing` while frames are between ring and journal; the
 * caller takes over from `nobody` or from `pump`, never from `committing`, so a frame is never in journal and spill file.
 */
const owner = { nobody: 0, pump: 1, caller: 2, committing: 3 } as const;

/** Values of `settling`. */
const settling = { no: 0, wanted: 1, done: 2 } as const;

/** The smallest ring (a power of two, in bytes) of at least `ringBytes` that can hold any two spans of `maxSpanBytes`. */
export function ringCapacityBytes(ringBytes: number, maxSpanBytes: number): number {
  const wanted = Math.max(ringBytes, 2 * frameSize(maxSpanBytes), 4096);
  return 2 ** Math.ceil(Math.log2(wanted));
}

export function createRingMemory(capacityBytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(controlBytes + capacityBytes);
}

class RingEnd {
  readonly capacityBytes: number;
  protected readonly control: Int32Array;
  protected readonly data: FrameMemory;
  protected readonly mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.capacityBytes = memory.byteLength - controlBytes;
    this.mask = this.capacityBytes - 1;
    this.control = new Int32Array(memory, 0, controlWords);
    this.data = frameMemory(memory, controlBytes, this.capacityBytes);
  }

  /** Bytes between the two cursors. */
  occupiedBytes(): number {
    return (Atomics.load(this.control, word.write) - Atomics.load(this.control, word.read)) >>> 0;
  }

  /** Wakes the consumer if it sleeps. Any thread may call it. */
  wake(): void {
    if (Atomics.load(this.control, word.sleeping) === 0) return;
    Atomics.store(this.control, word.sleeping, 0);
    Atomics.add(this.control, word.wake, 1);
    Atomics.notify(this.control, word.wake);
  }
}

/** The caller's end. */
export class RingProducer extends RingEnd {
  /** Number of the last frame written. */
  #sequence = 0;
  #write: number;
  #lastFrameOffset = 0;
  /** Last seen value of the consumer's cursor: loaded again only when the ring looks full. */
  #read: number;

  constructor(memory: SharedArrayBuffer) {
    super(memory);
    this.#write = Atomics.load(this.control, word.write);
    this.#read = Atomics.load(this.control, word.read);
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** The frame written last, header and padding included. Valid until the next is written. */
  get lastFrame(): { memory: Buffer; offset: number; bytes: number } {
    const offset = this.#lastFrameOffset;
    return { memory: this.data.bytes, offset, bytes: frameSize(this.data.words[offset >> 2] as number) };
  }

  /**
   * Writes one payload; `false` when there is no room now. The caller's text must be well-formed UTF-16.
   *
   * @param ending takes the place of the text's last character, which must be ASCII.
   */
  pushText(text: string, ending?: Uint8Array): boolean {
    const endingBytes = ending === undefined ? 0 : ending.length;
    // A UTF-16 unit becomes at most three bytes. Only when that much is not free is the exact length worth counting.
    let position = this.#reserve(text.length * 3 + endingBytes);
    if (position < 0) position = this.#reserve(Buffer.byteLength(text) + endingBytes);
    if (position < 0) return false;
    const start = position + frameHeaderBytes;
    let bytes = this.data.bytes.write(text, start, this.capacityBytes - start, "utf8");
    if (ending !== undefined) {
      this.data.bytes.set(ending, start + bytes - 1);
      bytes += endingBytes - 1;
    }
    this.#publish(position, bytes);
    return true;
  }

  /** Writes one payload that is already encoded; `false` when there is no room now. */
  pushBytes(payload: Uint8Array): boolean {
    const position = this.#reserve(payload.length);
    if (position < 0) return false;
    this.data.bytes.set(payload, position + frameHeaderBytes);
    this.#publish(position, payload.length);
    return true;
  }

  /**
   * Blocks the thread until the consumer has moved on or the time is over; for the process's last moments only.
   * Returns whether everything has been taken.
   */
  waitUntilRead(timeoutMs: number): boolean {
    const read = Atomics.load(this.control, word.read);
    if (read === Atomics.load(this.control, word.write)) return true;
    this.wake();
    Atomics.wait(this.control, word.read, read, timeoutMs);
    return this.occupiedBytes() === 0;
  }

  /** Blocks until a pump has claimed the ring or the time is over. Returns whether one has. */
  waitForPump(timeoutMs: number): boolean {
    Atomics.wait(this.control, word.owner, owner.nobody, timeoutMs);
    const now = Atomics.load(this.control, word.owner);
    return now === owner.pump || now === owner.committing;
  }

  /** Asks the pump to commit everything and to stop, and blocks until it has or the time is over. */
  settle(timeoutMs: number): boolean {
    Atomics.compareExchange(this.control, word.settling, settling.no, settling.wanted);
    this.wake();
    Atomics.wait(this.control, word.settling, settling.wanted, timeoutMs);
    return Atomics.load(this.control, word.settling) === settling.done;
  }

  /**
   * Takes the ring for the caller itself: at once when no pump has it, else when the commit under way, if any, is over.
   * `false`: the pump is stuck in a commit; nobody can say what becomes of its frames.
   */
  claimForCaller(timeoutMs: number): boolean {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      for (const from of [owner.nobody, owner.pump]) {
        if (Atomics.compareExchange(this.control, word.owner, from, owner.caller) === from) return true;
      }
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return Atomics.load(this.control, word.owner) === owner.caller;
      Atomics.wait(this.control, word.owner, owner.committing, leftMs);
    }
  }

  /** The pump is known to be dead: another may claim the ring. */
  disown(): void {
    Atomics.compareExchange(this.control, word.owner, owner.pump, owner.nobody);
    Atomics.compareExchange(this.control, word.owner, owner.committing, owner.nobody);
  }

  /** Counts the pump's rounds of work, modulo 2^32. */
  pumpTurns(): number {
    return Atomics.load(this.control, word.turns);
  }

  /** Does a pump have the ring, and is it awake, or asleep over something to take? */
  isPumpExpectedToTurn(): boolean {
    const now = Atomics.load(this.control, word.owner);
    if (now !== owner.pump && now !== owner.committing) return false;
    return Atomics.load(this.control, word.sleeping) === 0 || this.occupiedBytes() > 0;
  }

  /** The caller's event loop is well now, and means to say so again after so many milliseconds. */
  beat(dueInMs: number): void {
    Atomics.store(this.control, word.callerDueMs, (monotonicMs() + dueInMs) | 0 || 1);
  }

  /** The caller's event loop has nothing to do with spans for now. */
  rest(): void {
    Atomics.store(this.control, word.callerDueMs, 0);
  }

  /** Payloads that are written and not yet taken, in order: the raw material of a spill file. */
  unread(): Buffer[] {
    const reader = new FrameReader(this.data, this.mask, Atomics.load(this.control, word.read));
    const write = Atomics.load(this.control, word.write);
    const payloads: Buffer[] = [];
    while (reader.next(write)) payloads.push(Buffer.from(reader.payload));
    return payloads;
  }

  /** The position of a frame with room for a payload of that many bytes in one piece, or -1. */
  #reserve(payloadBytes: number): number {
    const size = frameSize(payloadBytes);
    if (size > this.capacityBytes) return -1;
    const position = this.#write & this.mask;
    const toEnd = this.capacityBytes - position;
    const needed = size <= toEnd ? size : toEnd + size;
    if (needed > this.capacityBytes - ((this.#write - this.#read) >>> 0)) {
      this.#read = Atomics.load(this.control, word.read);
      if (needed > this.capacityBytes - ((this.#write - this.#read) >>> 0)) return -1;
    }
    if (size <= toEnd) return position;
    const header = position >> 2;
    this.data.words[header] = toEnd - frameHeaderBytes;
    this.data.words[header + 3] = frameKind.padding;
    this.#write = (this.#write + toEnd) | 0;
    return 0;
  }

  #publish(position: number, payloadBytes: number): void {
    this.#sequence++;
    this.#lastFrameOffset = position;
    sealFrame(this.data, position, payloadBytes, this.#sequence | 0);
    this.#write = (this.#write + frameSize(payloadBytes)) | 0;
    Atomics.store(this.control, word.write, this.#write);
    if (Atomics.load(this.control, word.sleeping) !== 0) this.wake();
  }
}

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

  /** @param lastSequence number of the last frame that an earlier consumer committed; 0 for a fresh ring. */
  constructor(memory: SharedArrayBuffer, lastSequence = 0) {
    super(memory);
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
    const roomBytes = hasFrame ? Math.max(maxBytes, reader.payloadBytes) : 0;
    const copies = Buffer.allocUnsafeSlow(Math.min((write - this.#taken) >>> 0, roomBytes));
    for (; hasFrame; hasFrame = reader.next(write)) {
      if (offsets.length > maxFrames || used + reader.payloadBytes > copies.length) break;
      this.#taken = reader.position;
      const sequence = reader.sequence >>> 0;
      const behind = (this.#expected - sequence) >>> 0;
      // Behind: an earlier consumer committed this frame and died before it moved the cursor.
      if (behind !== 0 && behind <= 0x7fffffff) continue;
      damaged += (sequence - this.#expected) >>> 0;
      this.#expected = (sequence + 1) >>> 0;
      copies.set(reader.payload, used);
      used += reader.payloadBytes;
      offsets.push(used);
    }
    if (!hasFrame) this.#taken = reader.position;
    // Small spans may fill little of it, and a run keeps the whole of its memory.
    const bytes = used * 2 < copies.length ? Buffer.allocUnsafeSlow(used) : copies;
    if (bytes !== copies) bytes.set(copies.subarray(0, used));
    return { payloads: new PackedPayloads(bytes, offsets), damaged };
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

/** Walks frames from one cursor to another. Frames that are not whole are passed over; the gap in the numbers tells. */
class FrameReader {
  position: number;
  /** Of the frame that `next` has found. */
  payloadBytes = 0;
  sequence = 0;
  #start = 0;
  readonly #data: FrameMemory;
  readonly #mask: number;

  constructor(data: FrameMemory, mask: number, position: number) {
    this.#data = data;
    this.#mask = mask;
    this.position = position;
  }

  /** The payload that `next` has found: a view that the ring may overwrite after `release`. */
  get payload(): Buffer {
    return this.#data.bytes.subarray(this.#start, this.#start + this.payloadBytes);
  }

  /** Goes to the next whole span frame before `end`. Returns whether there is one. */
  next(end: number): boolean {
    const { words } = this.#data;
    while (this.position !== end) {
      const offset = this.position & this.#mask;
      const header = offset >> 2;
      const payloadBytes = words[header] as number;
      const sequence = words[header + 2] as number;
      const kind = words[header + 3] as number;
      const size = frameSize(payloadBytes);
      const fits = payloadBytes >= 0 && offset + size <= this.#mask + 1 && size <= (end - this.position) >>> 0;
      if (!fits || (kind !== frameKind.span && kind !== frameKind.padding)) {
        // The header itself is damaged: nothing tells where the next frame starts.
        this.position = end;
        return false;
      }
      this.position = (this.position + size) | 0;
      if (kind === frameKind.padding || !isFrameWhole(this.#data, offset, payloadBytes, sequence)) continue;
      this.#start = offset + frameHeaderBytes;
      this.payloadBytes = payloadBytes;
      this.sequence = sequence;
      return true;
    }
    return false;
  }
}
