import { Buffer } from "node:buffer";
import { frameKind, type SpanFrameKind, storedPayload } from "./frame.ts";
import type { RingProducer } from "./ring-producer.ts";

const chunkBytes = 1024 * 1024;

/** Before each payload: its length in bytes, and its kind. */
const headerBytes = 8;

/**
 * Empty chunks that are kept: memory outside the heap counts for V8 all the same, and a new chunk for every megabyte
 * of a burst would have it collect the host's whole heap again and again.
 */
const mostSpareChunks = 8;

interface Chunk {
  memory: Buffer;
  readAt: number;
  writeAt: number;
}

/**
 * Where the caller's payloads wait while the ring is full: chunks outside the JavaScript heap, so that a burst costs
 * the garbage collector nothing, bounded in bytes. First in, first out; while anything waits here, newer payloads
 * queue behind it, so the order of `end()` is kept. Only the caller's thread touches it.
 */
export class Overflow {
  readonly #maxBytes: number;
  readonly #chunks: Chunk[] = [];
  readonly #spare: Chunk[] = [];
  #bytes = 0;
  #count = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Memory in use, in bytes: whole chunks, not only what is used of them; without the spare ones. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps one payload; `false` when the bound is reached. */
  push(text: string, kind: SpanFrameKind = frameKind.span): boolean {
    // A UTF-16 unit becomes at most three bytes. Only when that much is not free is the exact length worth counting.
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || roomIn(chunk) < text.length * 3) {
      const payloadBytes = Buffer.byteLength(text);
      if (chunk === undefined || roomIn(chunk) < payloadBytes) {
        chunk = this.#open(headerBytes + payloadBytes);
        if (chunk === undefined) return false;
      }
    }
    const { memory, writeAt } = chunk;
    const start = writeAt + headerBytes;
    const payloadBytes = memory.write(text, start, memory.length - start, "utf8");
    memory.writeUInt32LE(payloadBytes, writeAt);
    memory.writeUInt32LE(kind, writeAt + 4);
    chunk.writeAt = start + payloadBytes;
    this.#count++;
    return true;
  }

  /** Moves payloads into the ring, oldest first, until it is full, nothing is left, or `maxBytes` have moved. */
  moveTo(ring: RingProducer, maxBytes: number): void {
    let moved = 0;
    while (moved < maxBytes) {
      const [chunk] = this.#chunks;
      if (chunk === undefined) return;
      const payload = payloadAt(chunk, chunk.readAt);
      if (!ring.pushBytes(payload, kindAt(chunk, chunk.readAt))) return;
      this.#skip(chunk, payload.length);
      moved += payload.length;
    }
  }

  /** Everything that waits, oldest first, in the stored form: views of its memory, where it is in that form already. */
  payloads(): Buffer[] {
    return this.#chunks.flatMap((chunk) => {
      const payloads: Buffer[] = [];
      for (let at = chunk.readAt; at < chunk.writeAt; ) {
        const payload = payloadAt(chunk, at);
        payloads.push(storedPayload(payload, kindAt(chunk, at)));
        at += headerBytes + payload.length;
      }
      return payloads;
    });
  }

  #open(neededBytes: number): Chunk | undefined {
    const size = Math.max(chunkBytes, neededBytes);
    if (this.#bytes + size > this.#maxBytes) return undefined;
    const spare = size === chunkBytes ? this.#spare.pop() : undefined;
    const chunk = spare ?? { memory: Buffer.allocUnsafeSlow(size), readAt: 0, writeAt: 0 };
    this.#chunks.push(chunk);
    this.#bytes += size;
    return chunk;
  }

  /** The first payload of the first chunk is elsewhere. */
  #skip(chunk: Chunk, payloadBytes: number): void {
    chunk.readAt += headerBytes + payloadBytes;
    this.#count--;
    if (chunk.readAt < chunk.writeAt) return;
    this.#bytes -= chunk.memory.length;
    this.#chunks.shift();
    if (chunk.memory.length !== chunkBytes || this.#spare.length === mostSpareChunks) return;
    chunk.readAt = 0;
    chunk.writeAt = 0;
    this.#spare.push(chunk);
  }
}

/** For one more payload, in bytes. */
function roomIn({ memory, writeAt }: Chunk): number {
  return memory.length - writeAt - headerBytes;
}

function payloadAt({ memory }: Chunk, at: number): Buffer {
  const start = at + headerBytes;
  return memory.subarray(start, start + memory.readUInt32LE(at));
}

function kindAt({ memory }: Chunk, at: number): SpanFrameKind {
  return memory.readUInt32LE(at + 4) as SpanFrameKind;
}
