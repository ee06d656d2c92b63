/**
 * Protobuf's wire format, read as strictly as its own libraries do: whatever a client sends, each part lies within the
 * message that holds it, or the whole is refused. https://protobuf.dev/programming-guides/encoding
 */

/** The bytes are not what they are said to be. */
class MalformedProtobuf extends Error {}

/** Keys and names come again with every span: so many are known without decoding them. A power of two. */
const knownTexts = 1024;
const longestKnownText = 48;

const nanosInSecond = 1e9;

const known: (string | undefined)[] = Array.from({ length: knownTexts });

export class WireReader {
  readonly bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position = 0) {
    this.bytes = bytes;
    this.position = position;
  }

  /** A tag, a length or an enumeration. Beyond 2^53 the value is not exact, and nothing that needs it is so large. */
  varint(): number {
    const { bytes } = this;
    const first = bytes[this.position] as number;
    if (first < 0x80) {
      this.position++;
      return first;
    }
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = bytes[this.position++];
      if (byte === undefined) throw new MalformedProtobuf("it ends within a number");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    throw new MalformedProtobuf("a number of more than ten bytes");
  }

  /** An `int64` in decimal, all its digits. */
  int64(): string {
    const start = this.position;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return String(value);
    let exact = 0n;
    for (let at = this.position - 1; at >= start; at--)
      exact = (exact << 7n) | BigInt((this.bytes[at] as number) & 0x7f);
    return BigInt.asIntN(64, exact).toString();
  }

  /** A `fixed64` in decimal, all its digits; as nanoseconds, which it mostly is, without the detour over BigInt. */
  fixed64(): string {
    const start = this.#pass(8);
    const low = this.bytes.readUInt32LE(start);
    const high = this.bytes.readUInt32LE(start + 4);
    // Long division by 10^9, with digits of 32, 16 and 16 bits.
    const upper = Math.floor(high / nanosInSecond);
    const middle = (high - upper * nanosInSecond) * 0x1_0000 + (low >>> 16);
    const middleQuotient = Math.floor(middle / nanosInSecond);
    const lower = (middle - middleQuotient * nanosInSecond) * 0x1_0000 + (low & 0xffff);
    const lowerQuotient = Math.floor(lower / nanosInSecond);
    const seconds = (upper * 0x1_0000 + middleQuotient) * 0x1_0000 + lowerQuotient;
    const nanos = lower - lowerQuotient * nanosInSecond;
    return seconds === 0 ? String(nanos) : `${seconds}${String(nanos + nanosInSecond).slice(1)}`;
  }

  double(): number {
    return this.bytes.readDoubleLE(this.#pass(8));
  }

  text(): string {
    const start = this.#passLength();
    return this.bytes.toString("utf8", start, this.position);
  }

  /** A text that is likely to come again: a key, a name. */
  knownText(): string {
    const start = this.#passLength();
    const length = this.position - start;
    if (length === 0 || length > longestKnownText) return this.bytes.toString("utf8", start, this.position);
    const { bytes } = this;
    const middle = bytes[start + (length >> 1)] as number;
    const last = bytes[this.position - 1] as number;
    const slot = ((bytes[start] as number) * 7 + middle * 61 + last * 251 + length * 31) & (knownTexts - 1);
    const text = known[slot];
    if (text !== undefined && text.length === length && isAt(text, bytes, start)) return text;
    const read = bytes.toString("utf8", start, this.position);
    // As long as its bytes: plain ASCII, of which each character is its byte.
    if (read.length === length) known[slot] = read;
    return read;
  }

  hex(): string {
    const start = this.#passLength();
    return this.bytes.toString("hex", start, this.position);
  }

  base64(): string {
    const start = this.#passLength();
    return this.bytes.toString("base64", start, this.position);
  }

  /** Where the message that begins here ends: not behind the end of the one around it. */
  enter(outerEnd: number): number {
    const length = this.varint();
    const end = this.position + length;
    if (end > outerEnd) throw new MalformedProtobuf("a part reaches beyond what holds it");
    return end;
  }

  /** To be called where a message should be over: its last part may have been longer than it. */
  leave(end: number): void {
    if (this.position !== end) throw new MalformedProtobuf("a part reaches beyond what holds it");
  }

  /** Passes over a field that nobody here knows, or that has another type than it should. */
  skip(tag: number): void {
    const type = tag & 7;
    if (tag < 8) throw new MalformedProtobuf("a field without a number");
    if (type === 0) this.varint();
    else if (type === 1) this.#pass(8);
    else if (type === 2) this.#passLength();
    else if (type === 5) this.#pass(4);
    else throw new MalformedProtobuf(`a field of wire type ${type}`);
  }

  /** Returns where it began. */
  #pass(length: number): number {
    const start = this.position;
    this.position = start + length;
    if (this.position > this.bytes.length) throw new MalformedProtobuf("it ends too early");
    return start;
  }

  #passLength(): number {
    return this.#pass(this.varint());
  }
}

function isAt(text: string, bytes: Buffer, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}
