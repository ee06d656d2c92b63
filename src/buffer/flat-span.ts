/**
 * A span on its way through the ring before it is JSON: the texts of its fields with a NUL between them. To make JSON of a
 * span is most of what the caller's thread pays for it. One whose attributes are texts, numbers, booleans and lists of them,
 * as OpenTelemetry's are, is handed over so instead; whoever takes it out of the ring writes the stored form
 * (span-payload.ts), so that the journal and all files but the crash log, which holds frames, have JSON alone.
 *
 *     traceId ␀ spanId ␀ parentSpanId ␀ traceState ␀ name ␀ kind ␀ start s ␀ start ns ␀ end s ␀ end ns ␀ more ␀
 *       { key ␀ value ␀ }* ending
 *
 * What a span does not have is empty. A value that begins with the mark U+0001 is JSON behind it, any other is a text.
 * `more` and `ending` are JSON that stands behind the fields and at the end of the span: `,"status":{"code":1}` or nothing,
 * and `,"environment":"prod"}` or `}`.
 */
import { Buffer } from "node:buffer";

/** A text that holds it cannot go this way. */
export const flatSeparator = "\0";

export const flatJsonMark = "\u0001";

/** What JSON makes of one UTF-16 unit, or of a byte, at most (`\u0001`), and the names of all fields. */
const mostBytesPerUnit = 6;
const fieldNamesBytes = 256;

/** So long a flat span, in UTF-16 units, is at most so many bytes as JSON. */
export function mostFlatUnits(maxBytes: number): number {
  return Math.floor((maxBytes - fieldNamesBytes) / mostBytesPerUnit);
}

/** The stored form of a flat span, its ending included. */
export function storedForm(flat: Buffer): Buffer {
  return new StoredFormWriter(flat).write();
}

const nanosDigits = 9;
const digitZero = 0x30;
const quote = 0x22;
const backslash = 0x5c;

/** By byte: 0, it stands for itself; 1, `\u00` and two digits do; else what stands behind a backslash. */
const escapes = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return 0;
  const json = JSON.stringify(String.fromCharCode(byte)).slice(1, -1);
  if (json.length === 1) return 0;
  return json.length === 2 ? json.charCodeAt(1) : 1;
});

/** Room for a span's JSON, before it is copied: each thread that takes spans out takes one after the other. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** From bytes to bytes: by way of strings it takes three times as long. */
class StoredFormWriter {
  readonly #flat: Buffer;
  readonly #out: Buffer;
  #at = 0;
  #length = 0;

  constructor(flat: Buffer) {
    this.#flat = flat;
    const mostBytes = flat.length * mostBytesPerUnit + fieldNamesBytes;
    if (mostBytes > scratch.length) scratch = Buffer.allocUnsafeSlow(mostBytes);
    this.#out = scratch;
  }

  write(): Buffer {
    const flat = this.#flat;
    this.#literal('{"traceId":');
    this.#text();
    this.#literal(',"spanId":');
    this.#text();
    this.#optional(',"parentSpanId":');
    this.#optional(',"traceState":');
    this.#literal(',"name":');
    this.#text();
    if (this.#isEmpty()) this.#at++;
    else {
      this.#literal(',"kind":');
      this.#json();
    }
    this.#time(',"startTimeUnixNano":"');
    this.#time(',"endTimeUnixNano":"');
    const moreAt = this.#at;
    const moreEnd = this.#end();
    this.#at = moreEnd + 1;
    const endingAt = flat.lastIndexOf(0) + 1;
    this.#literal(',"attributes":{');
    for (let isFirst = true; this.#at < endingAt; isFirst = false) {
      if (!isFirst) this.#literal(",");
      this.#text();
      this.#literal(":");
      if (flat[this.#at] !== 1) this.#text();
      else {
        this.#at++;
        this.#json();
      }
    }
    this.#literal("}");
    this.#bytes(moreAt, moreEnd);
    this.#bytes(endingAt, flat.length);
    return Buffer.from(this.#out.subarray(0, this.#length));
  }

  /** Where the text at hand ends. */
  #end(): number {
    let at = this.#at;
    while (at < this.#flat.length && this.#flat[at] !== 0) at++;
    return at;
  }

  #isEmpty(): boolean {
    return this.#flat[this.#at] === 0;
  }

  #optional(name: string): void {
    if (this.#isEmpty()) this.#at++;
    else {
      this.#literal(name);
      this.#text();
    }
  }

  /** ASCII, as it is. */
  #literal(text: string): void {
    const out = this.#out;
    let length = this.#length;
    for (let index = 0; index < text.length; index++) out[length++] = text.charCodeAt(index);
    this.#length = length;
  }

  #bytes(start: number, end: number): void {
    this.#length += this.#flat.copy(this.#out, this.#length, start, end);
  }

  /** Up to the next separator, as it is. */
  #json(): void {
    const flat = this.#flat;
    const out = this.#out;
    let length = this.#length;
    let at = this.#at;
    while (at < flat.length) {
      const byte = flat[at++] as number;
      if (byte === 0) break;
      out[length++] = byte;
    }
    this.#at = at;
    this.#length = length;
  }

  /** Up to the next separator, as a JSON string. */
  #text(): void {
    const flat = this.#flat;
    const out = this.#out;
    let length = this.#length;
    let at = this.#at;
    out[length++] = quote;
    while (at < flat.length) {
      const byte = flat[at++] as number;
      if (byte === 0) break;
      const escape = escapes[byte] as number;
      if (escape === 0) out[length++] = byte;
      else if (escape === 1) length += out.write(`\\u00${byte.toString(16).padStart(2, "0")}`, length, "latin1");
      else {
        out[length++] = backslash;
        out[length++] = escape;
      }
    }
    out[length++] = quote;
    this.#at = at;
    this.#length = length;
  }

  /** Seconds, and nanoseconds with their leading zeros. */
  #time(name: string): void {
    this.#literal(name);
    this.#json();
    for (let digits = this.#end() - this.#at; digits < nanosDigits; digits++) this.#out[this.#length++] = digitZero;
    this.#json();
    this.#out[this.#length++] = quote;
  }
}
