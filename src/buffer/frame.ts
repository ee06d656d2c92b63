/**
 * The frame: how one payload lies in the ring, in the caller's overflow memory and in a spill file. All numbers are
 * unsigned 32-bit, little-endian on every machine that Node runs on; a frame starts at a multiple of 16 bytes.
 *
 *     offset  0        4          8          12       16                 16 + bytes   next multiple of 16
 *             ├ bytes ─┼ checksum ┼ sequence ┼ kind ──┼ payload (UTF-8) ─┼ zeros ─────┤
 *
 * `bytes` counts the payload alone. `sequence` numbers the payloads of one buffer from 1, without gaps, modulo 2^32:
 * a gap tells how many frames a damage has cost. `checksum` covers payload, zeros, `bytes` and `sequence`, so that a
 * torn or overwritten frame is recognised before it reaches the journal. It guards against accidents, not attackers:
 * four independent multiply-and-xor lanes over 32-bit words, which costs a fraction of the encoding itself.
 */
import { storedForm } from "./flat-span.ts";

export const frameHeaderBytes = 16;

export const frameKind = {
  /** The payload is a span. */
  span: 0x53504e31,
  /** The payload is a span that is to become JSON: flat-span.ts. */
  flatSpan: 0x464c5431,
  /** No payload: skip `bytes` bytes (at the ring's end, where the next frame did not fit in one piece). */
  padding: 0x50414431,
} as const;

export type SpanFrameKind = typeof frameKind.span | typeof frameKind.flatSpan;

export function isSpanFrame(kind: number | undefined): kind is SpanFrameKind {
  return kind === frameKind.span || kind === frameKind.flatSpan;
}

/** The stored form of what a frame holds; of a span that is JSON already the same bytes. */
export function storedPayload(payload: Buffer, kind: SpanFrameKind): Buffer {
  return kind === frameKind.flatSpan ? storedForm(payload) : payload;
}

/** Space that a payload of that many bytes takes, header and padding included. */
export function frameSize(payloadBytes: number): number {
  return (frameHeaderBytes + payloadBytes + 15) & ~15;
}

/**
 * Memory that holds frames, seen in the two ways they are written: text by bytes, header and checksum by words.
 * Both views cover the same memory from its first byte.
 */
export interface FrameMemory {
  bytes: Buffer;
  words: Int32Array;
}

export function frameMemory(memory: ArrayBufferLike, byteOffset: number, byteLength: number): FrameMemory {
  return {
    bytes: Buffer.from(memory as ArrayBuffer, byteOffset, byteLength),
    words: new Int32Array(memory, byteOffset, byteLength >> 2),
  };
}

/** Fills the header of the span frame at `offset`, whose payload of `payloadBytes` is already in place. */
export function sealFrame(
  memory: FrameMemory,
  offset: number,
  payloadBytes: number,
  sequence: number,
  kind: SpanFrameKind = frameKind.span,
): void {
  const end = offset + frameHeaderBytes + payloadBytes;
  const aligned = (end + 15) & ~15;
  for (let index = end; index < aligned; index++) memory.bytes[index] = 0;
  const word = offset >> 2;
  memory.words[word] = payloadBytes;
  memory.words[word + 1] = checksum(memory.words, offset, payloadBytes, sequence);
  memory.words[word + 2] = sequence;
  memory.words[word + 3] = kind;
}

/** Is the span frame at `offset` whole? Asks nothing about what lies outside of its `payloadBytes`. */
export function isFrameWhole(memory: FrameMemory, offset: number, payloadBytes: number, sequence: number): boolean {
  return memory.words[(offset >> 2) + 1] === checksum(memory.words, offset, payloadBytes, sequence);
}

function checksum(words: Int32Array, offset: number, payloadBytes: number, sequence: number): number {
  let a = payloadBytes ^ 0x9e3779b9;
  let b = sequence ^ 0x85ebca6b;
  let c = 0x27d4eb2f;
  let d = 0x165667b1;
  const start = (offset + frameHeaderBytes) >> 2;
  const end = (offset + frameSize(payloadBytes)) >> 2;
  for (let index = start; index < end; index += 4) {
    a = Math.imul(a ^ (words[index] as number), 0x01000193);
    b = Math.imul(b ^ (words[index + 1] as number), 0x01000193);
    c = Math.imul(c ^ (words[index + 2] as number), 0x01000193);
    d = Math.imul(d ^ (words[index + 3] as number), 0x01000193);
  }
  // Rotations keep equal lanes from cancelling each other.
  return (a ^ ((b << 7) | (b >>> 25)) ^ ((c << 13) | (c >>> 19)) ^ ((d << 22) | (d >>> 10))) | 0;
}

/** One payload as a frame by itself, for a file. */
export function encodeFrame(payload: Uint8Array, sequence: number, kind: SpanFrameKind = frameKind.span): Buffer {
  const memory = frameMemory(new ArrayBuffer(frameSize(payload.length)), 0, frameSize(payload.length));
  memory.bytes.set(payload, frameHeaderBytes);
  sealFrame(memory, 0, payload.length, sequence, kind);
  return memory.bytes;
}

export interface FileFrame {
  sequence: number;
  /** In the stored form; of a frame that is not whole, whatever is there. */
  payload: Buffer;
  /** Its checksum is right. */
  isWhole: boolean;
}

/** The frames of a file's content, up to the first place that cannot be the beginning of one. */
export function* framesOf(content: Uint8Array): Generator<FileFrame> {
  // A copy, so that it begins at a multiple of four.
  const aligned = new Uint8Array(content).buffer;
  const memory = frameMemory(aligned, 0, aligned.byteLength & ~15);
  for (let offset = 0; offset + frameHeaderBytes <= memory.bytes.length; ) {
    const payloadBytes = memory.words[offset >> 2] as number;
    const size = frameSize(payloadBytes);
    const sequence = memory.words[(offset >> 2) + 2] as number;
    const kind = memory.words[(offset >> 2) + 3];
    if (!isSpanFrame(kind) || payloadBytes < 0 || offset + size > memory.bytes.length) return;
    const start = offset + frameHeaderBytes;
    const payload = memory.bytes.subarray(start, start + payloadBytes);
    const isWhole = isFrameWhole(memory, offset, payloadBytes, sequence);
    yield { sequence, payload: isWhole ? storedPayload(payload, kind) : payload, isWhole };
    offset += size;
  }
}
