import { inAnyValue, inKeyValue } from "./otlp-wire.ts";

const firstBytes = 256 * 1024;

/**
 * The length of a message that is written before it is known takes four bytes, whatever it is: protobuf lets a number
 * be longer than it must be, and nothing has to be moved.
 */
const paddedLengthBytes = 4;

/** Copies of fewer bytes are quicker by hand than by a call. */
const shortCopyBytes = 32;

/** In `hexValues`, for a byte that is no hex digit. */
const notHex = 0xff;
/** The value of a hex digit by its byte. */
const hexValues: Uint8Array = new Uint8Array(256).fill(notHex);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  hexValues[digit.charCodeAt(0)] = value;
  hexValues[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Writes protobuf messages one behind the other, into memory that grows and is used again for the next request. */
export class WireWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(firstBytes);
  #view: DataView = viewOf(this.#bytes);
  #at = 0;

  reset(): void {
    this.#at = 0;
  }

  get position(): number {
    return this.#at;
  }

  /** Forgets what has been written from there on. */
  rewind(position: number): void {
    this.#at = position;
  }

  /** A copy of what has been written. */
  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at));
  }

  /** Begins a message inside of this one; give the mark to `close`. */
  open(tag: number): number {
    this.#need(1 + paddedLengthBytes);
    this.#bytes[this.#at] = tag;
    this.#at += 1 + paddedLengthBytes;
    return this.#at;
  }

  close(mark: number): void {
    const bytes = this.#bytes;
    const length = this.#at - mark;
    bytes[mark - 4] = (length & 127) | 128;
    bytes[mark - 3] = ((length >>> 7) & 127) | 128;
    bytes[mark - 2] = ((length >>> 14) & 127) | 128;
    bytes[mark - 1] = length >>> 21;
  }

  /** A field that is a non-negative integer below 2^31. */
  varint(tag: number, value: number): void {
    this.#need(6);
    this.#bytes[this.#at++] = tag;
    this.#varint(value);
  }

  double(tag: number, value: number): void {
    this.#need(9);
    this.#bytes[this.#at] = tag;
    this.#view.setFloat64(this.#at + 1, value, true);
    this.#at += 9;
  }

  text(tag: number, text: string): void {
    this.copy(tag, Buffer.from(text, "utf8"));
  }

  /** A field of bytes, from any memory. */
  copy(tag: number, source: Uint8Array, start = 0, end: number = source.length): void {
    this.#need(6 + end - start);
    this.#bytes[this.#at++] = tag;
    this.#varint(end - start);
    this.#copy(source, start, end);
  }

  /** A field of bytes from hex digits. */
  hex(tag: number, source: Uint8Array, start: number, end: number): void {
    this.#need(2 + ((end - start) >> 1));
    const bytes = this.#bytes;
    bytes[this.#at++] = tag;
    bytes[this.#at++] = (end - start) >> 1;
    for (let at = start; at < end; at += 2) {
      const high = hexValues[source[at] as number] as number;
      const low = hexValues[source[at + 1] as number] as number;
      bytes[this.#at++] = (high << 4) | low;
    }
  }

  /** A field of eight bytes from decimal digits: an unsigned number below 2^64. */
  decimal64(tag: number, source: Uint8Array, start: number, end: number): void {
    this.#need(9);
    // In two halves that doubles hold exactly: the last six digits, and all before them.
    const split = Math.max(start, end - 6);
    const upper = decimal(source, start, split);
    const lower = decimal(source, split, end);
    // upper · 10^6 + lower, with upper = a · 2^16 + b.
    const a = Math.floor(upper / 0x1_0000) * 1e6;
    const rest = (a % 0x1_0000) * 0x1_0000 + (upper % 0x1_0000) * 1e6 + lower;
    this.#bytes[this.#at] = tag;
    this.#view.setUint32(this.#at + 1, rest % 0x1_0000_0000, true);
    this.#view.setUint32(this.#at + 5, Math.floor(a / 0x1_0000) + Math.floor(rest / 0x1_0000_0000), true);
    this.#at += 9;
  }

  /** A `KeyValue` whose value is a text, the most frequent by far: key and value from any memory. */
  textAttribute(
    tag: number,
    keySource: Uint8Array,
    keyStart: number,
    keyEnd: number,
    source: Uint8Array,
    start: number,
    end: number,
  ): void {
    const keyBytes = keyEnd - keyStart;
    const textBytes = end - start;
    const valueBytes = 1 + varintBytes(textBytes) + textBytes;
    const messageBytes = 2 + varintBytes(keyBytes) + keyBytes + varintBytes(valueBytes) + valueBytes;
    this.#need(6 + messageBytes);
    const bytes = this.#bytes;
    bytes[this.#at++] = tag;
    this.#varint(messageBytes);
    bytes[this.#at++] = inKeyValue.key;
    this.#varint(keyBytes);
    this.#copy(keySource, keyStart, keyEnd);
    bytes[this.#at++] = inKeyValue.value;
    this.#varint(valueBytes);
    bytes[this.#at++] = inAnyValue.string;
    this.#varint(textBytes);
    this.#copy(source, start, end);
  }

  #copy(source: Uint8Array, start: number, end: number): void {
    if (end - start < shortCopyBytes) {
      const bytes = this.#bytes;
      let to = this.#at;
      for (let at = start; at < end; at++) bytes[to++] = source[at] as number;
      this.#at = to;
    } else {
      this.#bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.#at);
      this.#at += end - start;
    }
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  #need(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + bytes));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** The value of at most 14 decimal digits. */
function decimal(source: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + (source[at] as number) - 0x30;
  return value;
}
