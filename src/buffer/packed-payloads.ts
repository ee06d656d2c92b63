/**
 * Payloads end to end in one piece of memory. Iterating gives a view of each. The memory is given back when the last
 * payload is released: left to the garbage collector it would pile up, since buffers hardly fill the heap it looks at.
 */
export class PackedPayloads {
  readonly bytes: Buffer;
  /** Payload number i is from `offsets[i]` to `offsets[i + 1]`: one more than there are payloads. */
  readonly offsets: readonly number[];

  #held: number;

  /** @param bytes alone in its memory: not from Node's pool. */
  constructor(bytes: Buffer, offsets: readonly number[]) {
    this.bytes = bytes;
    this.offsets = offsets;
    this.#held = this.count;
  }

  /** Copies payloads into one piece of memory. */
  static of(payloads: readonly Uint8Array[]): PackedPayloads {
    const offsets = [0];
    let end = 0;
    for (const payload of payloads) offsets.push((end += payload.length));
    const bytes = Buffer.allocUnsafeSlow(end);
    for (const [index, payload] of payloads.entries()) bytes.set(payload, offsets[index]);
    return new PackedPayloads(bytes, offsets);
  }

  /** Makes one of several, in their order. They are released. */
  static joined(parts: readonly PackedPayloads[]): PackedPayloads {
    const [only] = parts;
    if (only !== undefined && parts.length === 1) return only;
    const bytes = Buffer.allocUnsafeSlow(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
    const offsets = [0];
    let end = 0;
    for (const part of parts) {
      bytes.set(part.bytes.subarray(0, part.byteLength), end);
      for (let index = 1; index < part.offsets.length; index++) offsets.push(end + (part.offsets[index] as number));
      end += part.byteLength;
      part.release(part.count);
    }
    return new PackedPayloads(bytes, offsets);
  }

  /** Of all payloads together. */
  get byteLength(): number {
    return this.offsets.at(-1) ?? 0;
  }

  get count(): number {
    return this.offsets.length - 1;
  }

  /** Nobody will look at so many of them again. */
  release(count: number): void {
    this.#held -= count;
    if (this.#held === 0) (this.bytes.buffer as ArrayBuffer).transfer(0);
  }

  *[Symbol.iterator](): Generator<Buffer> {
    for (let index = 0; index < this.count; index++) {
      yield this.bytes.subarray(this.offsets[index], this.offsets[index + 1]);
    }
  }
}
