/**
 * Reads OTLP's `KeyValue` in its JSON form where it lies (opentelemetry-proto, common/v1): of the values that are
 * frequent only what is inside their tag, of all others the whole, to be parsed when it is written.
 */
import { closeBrace, JsonScanner, openBrace, partKind } from "./json-scanner.ts";

const entryHead = Buffer.from('{"key":"');
const valueHead = Buffer.from(',"value":');
/** By the letter that only one of them begins with. */
const tagHeads: Readonly<Record<number, Buffer | undefined>> = Object.fromEntries(
  ["stringValue", "boolValue", "intValue", "doubleValue"].map((tag) => [tag.charCodeAt(0), Buffer.from(`{"${tag}":`)]),
);
const tagLetterAt = 2;
const stringTag = 0x73;
const intTag = 0x69;
const doubleTag = 0x64;
/** `bytesValue` begins with the letter of `boolValue`: what is not the head is passed over whole. */

const minus = 0x2d;
const zero = 0x30;
/** Surely below 2^53. */
const mostDigits = 15;

export class KeyValueScanner extends JsonScanner {
  protected keyStart = 0;
  protected keyEnd = 0;

  /** Reads over one entry and notes the places of its key and its value. */
  protected keyValue(): boolean {
    if (!this.#passes(entryHead)) return false;
    this.keyStart = this.at;
    this.keyEnd = this.textEnd(this.at);
    if (this.keyEnd < 0 || this.isEscaped) return false;
    this.at = this.keyEnd + 1;
    return this.#passes(valueHead) && this.#anyValue() && this.bytes[this.at++] === closeBrace;
  }

  #anyValue(): boolean {
    const { bytes, at: start } = this;
    if (bytes[start] !== openBrace) return false;
    const letter = bytes[start + tagLetterAt] as number;
    const head = tagHeads[letter];
    if (head === undefined || !this.#passes(head)) return this.#whole(start, this.value());
    if (!this.value() || bytes[this.at++] !== closeBrace) return false;
    return this.#isTagged(letter) || this.#whole(start, true);
  }

  /** Is the value all that its tag says? Then it is its kind and place that count. */
  #isTagged(letter: number): boolean {
    const { kind } = this;
    switch (letter) {
      case stringTag:
        return kind === partKind.text || kind === partKind.escapedText;
      case intTag:
        if ((kind !== partKind.number && kind !== partKind.text) || !this.#isSoundInteger()) return false;
        this.kind = partKind.number;
        return true;
      case doubleTag:
        if (kind !== partKind.number) return false;
        this.kind = partKind.double;
        return true;
      default:
        return kind === partKind.true || kind === partKind.false;
    }
  }

  /** One that a number holds, written as JSON writes it. */
  #isSoundInteger(): boolean {
    const { bytes, valueStart, valueEnd } = this;
    const start = bytes[valueStart] === minus ? valueStart + 1 : valueStart;
    return this.isDigits(start, valueEnd, mostDigits) && (bytes[start] !== zero || valueEnd === valueStart + 1);
  }

  #whole(start: number, isRead: boolean): boolean {
    this.kind = partKind.otlpValue;
    this.valueStart = start;
    this.valueEnd = this.at;
    return isRead;
  }

  /** Goes on behind the text, if that is what comes next. */
  #passes(text: Uint8Array): boolean {
    const { bytes, at } = this;
    for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text[index]) return false;
    this.at = at + text.length;
    return true;
  }
}
