/** What all bodies that are being read may hold together, unless a single one may hold half of it. */
const sharedBytes = 256 * 1024 * 1024;

const firstBytes = 64 * 1024;

const nothing: Buffer = Buffer.alloc(0);

let underWayBytes = 0;

/** Why a body cannot grow. */
export type Full = "too-large" | "no-memory";

/**
 * A body as it comes. Its parts are copied together at once: kept in a list, a body of single bytes would take a hundred
 * times its length. All bodies draw on one account, or a thousand connections would hold a thousand times the limit.
 */
export class BodyBuffer {
  readonly #maxBytes: number;
  #memory: Buffer = nothing;
  #length = 0;
  #reservedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes a part; else says why not. */
  append(part: Buffer): Full | undefined {
    const length = this.#length + part.length;
    if (length > this.#maxBytes) return "too-large";
    const isFirst = this.#length === 0;
    if (isFirst || length > this.#memory.length) {
      const capacity = isFirst ? length : Math.min(this.#maxBytes, Math.max(firstBytes, 2 * length));
      if (!this.#reserve(capacity)) return "no-memory";
      // A body that comes in one piece, as most do, is not copied.
      if (isFirst) this.#memory = part;
      else this.#grow(capacity);
    }
    if (!isFirst) part.copy(this.#memory, this.#length);
    this.#length = length;
    return undefined;
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  /** Gives back what it drew and holds nothing any more; whoever has `bytes` keeps them. */
  release(): void {
    underWayBytes -= this.#reservedBytes;
    this.#reservedBytes = 0;
    this.#memory = nothing;
    this.#length = 0;
  }

  #grow(capacity: number): void {
    const memory = Buffer.allocUnsafeSlow(capacity);
    this.#memory.copy(memory, 0, 0, this.#length);
    this.#memory = memory;
  }

  #reserve(bytes: number): boolean {
    const added = bytes - this.#reservedBytes;
    if (underWayBytes + added > Math.max(sharedBytes, 2 * this.#maxBytes)) return false;
    underWayBytes += added;
    this.#reservedBytes = bytes;
    return true;
  }
}
