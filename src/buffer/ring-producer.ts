import { frameHeaderBytes, frameKind, frameSize, sealFrame, type SpanFrameKind } from "./frame.ts";
import { monotonicMs } from "./monotonic-ms.ts";
import { FrameReader } from "./frame-reader.ts";
import { owner, RingEnd, settling, word } from "./ring.ts";

/** The caller's end. */
export class RingProducer extends RingEnd {
  /** Number of the last frame written. */
  #sequence = 0;
  #write: number;
  #lastFrameOffset = 0;
  /** Last seen value of the consumer's cursor: loaded again only when the ring looks full. */
  #read: number;

  /** @param lead the leading ring's memory, for an attached ring. */
  constructor(memory: SharedArrayBuffer, lead?: SharedArrayBuffer) {
    super(memory, lead);
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
  pushText(text: string, ending?: Uint8Array, kind: SpanFrameKind = frameKind.span): boolean {
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
    this.#publish(position, bytes, kind);
    return true;
  }

  /** Writes one payload that is already encoded; `false` when there is no room now. */
  pushBytes(payload: Uint8Array, kind: SpanFrameKind = frameKind.span): boolean {
    const position = this.#reserve(payload.length);
    if (position < 0) return false;
    this.data.bytes.set(payload, position + frameHeaderBytes);
    this.#publish(position, payload.length, kind);
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

  #publish(position: number, payloadBytes: number, kind: SpanFrameKind): void {
    this.#sequence++;
    this.#lastFrameOffset = position;
    sealFrame(this.data, position, payloadBytes, this.#sequence | 0, kind);
    this.#write = (this.#write + frameSize(payloadBytes)) | 0;
    Atomics.store(this.control, word.write, this.#write);
    if (Atomics.load(this.lead, word.sleeping) !== 0) this.wake();
  }
}
