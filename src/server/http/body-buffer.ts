/** What all bodies that are being read may hold together, unless a single one may hold half of it. */
const sharedBytes = 256 * 1024 * 1024;

/** Memory is taken by pieces: the first is small, later ones double, up to the largest. */
const firstBytes = 64 * 1024;
const largestBytes = 4 * 1024 * 1024;

let underWayBytes = 0;

/** Why a body cannot grow. */
export type Full = "too-large" | "no-memory";

/**
 * A body as it comes. Small parts are copied together at once: kept in a list, a body of single bytes would take a hundred
 * times its length. All bodies draw on one account, or a thousand connections would hold a thousand times the limit.
 */
export class BodyBuffer {
  readonly #maxBytes: number;
  /** All full but the last. One piece would have to be copied each time it grows, which is felt by everybody else. */
  #pieces: Buffer[] = [];
  /** Of the last piece. */
  #free = 0;
  #length = 0;
  #reservedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes a part; else says why not. */
  append(part: Buffer): Full | undefined {
    if (this.#length + part.length > this.#maxBytes) return "too-large";
    if (part.length === 0) return undefined;
    // A body that comes in one piece, as most do, is not copied.
    if (this.#length === 0) return this.#add(part, part.length);
    const last = this.#pieces.at(-1) as Buffer;
    const fitting = part.subarray(0, this.#free);
    fitting.copy(last, last.length - this.#free);
    this.#free -= fitting.length;
    this.#length += fitting.length;
    const rest = part.subarray(fitting.length);
    if (rest.length === 0) return undefined;
    const wanted = Math.min(largestBytes, Math.max(firstBytes, this.#length), this.#maxBytes - this.#length);
    const piece = Buffer.allocUnsafeSlow(Math.max(rest.length, wanted));
    rest.copy(piece);
    return this.#add(piece, rest.length);
  }

  /** The whole of it, in one piece. Undefined: there is no memory for that now. */
  take(): Buffer | undefined {
    const [first] = this.#pieces;
    if (first === undefined) return Buffer.alloc(0);
    if (this.#pieces.length === 1) return first.subarray(0, this.#length);
    if (!this.#reserve(this.#length)) return undefined;
    const whole = Buffer.allocUnsafeSlow(this.#length);
    let end = 0;
    for (const piece of this.#pieces) end += piece.copy(whole, end, 0, this.#length - end);
    return whole;
  }

  /** Gives back what it drew and holds nothing any more; whoever has taken the bytes keeps them. */
  release(): void {
    underWayBytes -= this.#reservedBytes;
    this.#reservedBytes = 0;
    // Those after the first are our own; but one that is alone may be the whole that somebody has taken.
    if (this.#pieces.length > 1) for (const piece of this.#pieces.slice(1)) freeBody(piece);
    this.#pieces = [];
    this.#free = 0;
    this.#length = 0;
  }

  #add(piece: Buffer, usedBytes: number): Full | undefined {
    if (!this.#reserve(piece.length)) return "no-memory";
    this.#pieces.push(piece);
    this.#free = piece.length - usedBytes;
    this.#length += usedBytes;
    return undefined;
  }

  #reserve(bytes: number): boolean {
    if (underWayBytes + bytes > Math.max(sharedBytes, 2 * this.#maxBytes)) return false;
    underWayBytes += bytes;
    this.#reservedBytes += bytes;
    return true;
  }
}

/**
 * Gives the memory of a body back at once, if it has one of its own: a bomb is most of the process's memory, and a garbage
 * collector that sees only a small heap takes its time. Whoever still looks at the body finds it empty.
 */
export function freeBody({ buffer, byteLength }: Buffer): void {
  if (buffer.byteLength === byteLength && byteLength >= firstBytes) (buffer as ArrayBuffer).transfer(0);
}
