import {
  type FrameMemory,
  frameHeaderBytes,
  frameKind,
  frameSize,
  isFrameWhole,
  isSpanFrame,
  type SpanFrameKind,
  storedPayload,
} from "./frame.ts";

/** Walks frames from one cursor to another. Frames that are not whole are passed over; the gap in the numbers tells. */
export class FrameReader {
  position: number;
  /** Of the frame that `next` has found. */
  sequence = 0;
  #start = 0;
  #bytes = 0;
  #kind: SpanFrameKind = frameKind.span;
  readonly #data: FrameMemory;
  readonly #mask: number;

  constructor(data: FrameMemory, mask: number, position: number) {
    this.#data = data;
    this.#mask = mask;
    this.position = position;
  }

  /** The payload that `next` has found, in its stored form: often a view, that the ring may overwrite after `release`. */
  get payload(): Buffer {
    return storedPayload(this.#data.bytes.subarray(this.#start, this.#start + this.#bytes), this.#kind);
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
      if (!fits || (kind !== frameKind.padding && !isSpanFrame(kind))) {
        // The header itself is damaged: nothing tells where the next frame starts.
        this.position = end;
        return false;
      }
      this.position = (this.position + size) | 0;
      if (kind === frameKind.padding || !isFrameWhole(this.#data, offset, payloadBytes, sequence)) continue;
      this.#start = offset + frameHeaderBytes;
      this.#bytes = payloadBytes;
      this.#kind = kind;
      this.sequence = sequence;
      return true;
    }
    return false;
  }
}
