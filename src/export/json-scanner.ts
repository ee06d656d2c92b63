/**
 * Reads JSON where it lies: the places of its values in the bytes, no texts, no objects. It knows what `JSON.stringify`
 * writes (no white space), and looks at no more of it than it must to find its end.
 */

/** What lies at a place. */
export const partKind = {
  /** A text without escapes; the place is what is between the quotes. */
  text: 0,
  /** The same with escapes in it. */
  escapedText: 1,
  number: 2,
  true: 3,
  false: 4,
  null: 5,
  /** From the opening bracket to behind the closing one. */
  object: 6,
  array: 7,
  /** A number that is a double, whatever it looks like. */
  double: 8,
  /** A value of OTLP's, tagged: from the opening brace to behind the closing one. */
  otlpValue: 9,
  /** Nothing: the span has no such part. */
  absent: 10,
} as const;

export const quote = 0x22;
const backslash = 0x5c;
export const comma = 0x2c;
export const colon = 0x3a;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;
export const openBracket = 0x5b;
export const closeBracket = 0x5d;

/** Texts longer than this are passed over by native search, which costs too much to begin with for short ones. */
const nearBytes = 64;

export class JsonScanner {
  protected bytes: Buffer = Buffer.alloc(0);
  protected at = 0;
  /** Of what may be read. */
  protected end = 0;
  /** Had the last text escapes in it? */
  protected isEscaped = false;
  /** What the last value was, and its place. */
  protected kind = 0;
  protected valueStart = 0;
  protected valueEnd = 0;
  /** The first one from where a search began: places must be read in their order. */
  #nextBackslash = -1;

  /** New bytes. */
  begin(bytes: Buffer): void {
    this.bytes = bytes;
    this.#nextBackslash = -1;
  }

  /** Reads over one value and notes its place. */
  protected value(): boolean {
    const bytes = this.bytes;
    const start = this.at;
    const first = bytes[start];
    if (first === quote) {
      this.valueStart = start + 1;
      this.valueEnd = this.textEnd(start + 1);
      this.kind = this.isEscaped ? partKind.escapedText : partKind.text;
      this.at = this.valueEnd + 1;
      return this.valueEnd >= 0;
    }
    this.valueStart = start;
    if (first === openBrace || first === openBracket) {
      this.kind = first === openBrace ? partKind.object : partKind.array;
      this.valueEnd = this.#nestedEnd(start);
      this.at = this.valueEnd;
      return this.valueEnd >= 0;
    }
    let at = start;
    while (at < this.end && bytes[at] !== comma && bytes[at] !== closeBrace && bytes[at] !== closeBracket) at++;
    this.at = at;
    this.valueEnd = at;
    const kind = literalKind(first, at - start);
    this.kind = kind;
    return kind >= 0;
  }

  /** From behind the opening quote to the closing one; -1: there is none. Notes whether there are escapes between. */
  protected textEnd(from: number): number {
    const bytes = this.bytes;
    this.isEscaped = false;
    let at = from;
    const near = Math.min(from + nearBytes, this.end);
    for (; at < near; at++) {
      const byte = bytes[at];
      if (byte === quote) return at;
      if (byte === backslash) {
        this.isEscaped = true;
        at++;
      }
    }
    for (;;) {
      const end = bytes.indexOf(quote, at);
      if (end < 0 || end >= this.end) return -1;
      if (this.#nextBackslash < at) {
        const found = bytes.indexOf(backslash, at);
        this.#nextBackslash = found < 0 ? Number.POSITIVE_INFINITY : found;
      }
      if (this.#nextBackslash > end) return end;
      this.isEscaped = true;
      at = this.#nextBackslash + 2;
    }
  }

  /** From an opening bracket to behind the one that closes it. */
  #nestedEnd(from: number): number {
    const bytes = this.bytes;
    let depth = 0;
    for (let at = from; at < this.end; at++) {
      const byte = bytes[at];
      if (byte === quote) {
        at = this.textEnd(at + 1);
        if (at < 0) return -1;
      } else if (byte === openBrace || byte === openBracket) depth++;
      else if (byte === closeBrace || byte === closeBracket) {
        depth--;
        if (depth === 0) return at + 1;
      }
    }
    return -1;
  }
}

/** `true`, `false`, `null` or a number, by how it begins; -1: nothing that `JSON.stringify` writes. */
function literalKind(first: number | undefined, length: number): number {
  switch (first) {
    case 0x74:
      return length === 4 ? partKind.true : -1;
    case 0x66:
      return length === 5 ? partKind.false : -1;
    case 0x6e:
      return length === 4 ? partKind.null : -1;
    default:
      return length > 0 && first !== undefined && (first === 0x2d || (first >= 0x30 && first <= 0x39))
        ? partKind.number
        : -1;
  }
}

/** Are these decimal digits, one at least? */
export function isDigits(bytes: Uint8Array, start: number, end: number, most: number): boolean {
  if (end - start > most || end === start) return false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x30 || byte > 0x39) return false;
  }
  return true;
}
