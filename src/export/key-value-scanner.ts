/**
 * Reads OTLP's `KeyValue` in its JSON form where it lies (opentelemetry-proto, common/v1): of the values that are
 * frequent what is inside their tag, of all others the whole, to be parsed when it is written. What has not exactly the
 * shape that it should have is refused.
 */
import { closeBrace, closeBracket, comma, isDigits, JsonScanner, openBrace, partKind } from "./json-scanner.ts";

const entryHead = Buffer.from('{"key":"');
const valueHead = Buffer.from(',"value":');
const stringHead = Buffer.from('{"stringValue":');
const boolHead = Buffer.from('{"boolValue":');
const intHead = Buffer.from('{"intValue":');
const doubleHead = Buffer.from('{"doubleValue":');
const bytesHead = Buffer.from('{"bytesValue":');
const arrayHead = Buffer.from('{"arrayValue":{"values":[');
const kvlistHead = Buffer.from('{"kvlistValue":{"values":[');
/** Behind the values of an array or a list. */
const valuesTail = Buffer.from("}}");

const tagLetterAt = 2;
const minus = 0x2d;
const zero = 0x30;
/** Surely below 2^53. */
const mostDigits = 15;

export class KeyValueScanner extends JsonScanner {
  protected keyStart = 0;
  protected keyEnd = 0;

  /** Reads over one entry and notes the places of its key, which has no escapes, and of its value. */
  protected keyValue(): boolean {
    if (!this.#passes(entryHead)) return false;
    const keyStart = this.at;
    const keyEnd = this.textEnd(keyStart);
    if (keyEnd < 0 || this.isEscaped) return false;
    this.at = keyEnd + 1;
    if (!this.#passes(valueHead) || !this.#anyValue() || this.bytes[this.at++] !== closeBrace) return false;
    this.keyStart = keyStart;
    this.keyEnd = keyEnd;
    return true;
  }

  #anyValue(): boolean {
    const { bytes, at: start } = this;
    switch (bytes[start + tagLetterAt]) {
      case 0x73: // stringValue
        return this.#inside(stringHead) && this.#isText();
      case 0x69: // intValue
        return this.#inside(intHead) && this.#isInteger(start);
      case 0x64: // doubleValue
        return this.#inside(doubleHead) && this.#isDouble(start);
      case 0x62: // boolValue, bytesValue
        if (this.#inside(boolHead)) return this.kind === partKind.true || this.kind === partKind.false;
        return this.at === start && this.#inside(bytesHead) && this.#isText() && this.#whole(start);
      case 0x61: // arrayValue
        return this.#passes(arrayHead) && this.#values(false) && this.#whole(start);
      case 0x6b: // kvlistValue
        return this.#passes(kvlistHead) && this.#values(true) && this.#whole(start);
      default:
        if (bytes[start] !== openBrace || bytes[start + 1] !== closeBrace) return false;
        this.at = start + 2;
        return this.#whole(start);
    }
  }

  /** Reads over a tag, the value inside of it and the closing brace. */
  #inside(head: Uint8Array): boolean {
    return this.#passes(head) && this.value() && this.bytes[this.at++] === closeBrace;
  }

  /** From behind the opening bracket to behind the brace that closes the value. */
  #values(areEntries: boolean): boolean {
    const { bytes } = this;
    if (bytes[this.at] === closeBracket) this.at++;
    else {
      for (;;) {
        if (!(areEntries ? this.keyValue() : this.#anyValue())) return false;
        const next = bytes[this.at++];
        if (next === closeBracket) break;
        if (next !== comma) return false;
      }
    }
    return this.#passes(valuesTail);
  }

  #isText(): boolean {
    return this.kind === partKind.text || this.kind === partKind.escapedText;
  }

  /** One that a number holds, written as JSON writes it, is a number; of all others the export makes what it can. */
  #isInteger(start: number): boolean {
    if (this.kind !== partKind.number && this.kind !== partKind.text) return false;
    const { bytes, valueStart, valueEnd } = this;
    const digits = bytes[valueStart] === minus ? valueStart + 1 : valueStart;
    const isSound =
      isDigits(bytes, digits, valueEnd, mostDigits) && (bytes[digits] !== zero || valueEnd === valueStart + 1);
    if (!isSound) return this.#whole(start);
    this.kind = partKind.number;
    return true;
  }

  #isDouble(start: number): boolean {
    if (this.kind === partKind.text) return this.#whole(start);
    if (this.kind !== partKind.number) return false;
    this.kind = partKind.double;
    return true;
  }

  #whole(start: number): boolean {
    this.kind = partKind.otlpValue;
    this.valueStart = start;
    this.valueEnd = this.at;
    return true;
  }

  /** Goes on behind the text, if that is what comes next. */
  #passes(text: Uint8Array): boolean {
    const { bytes, at } = this;
    for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text[index]) return false;
    this.at = at + text.length;
    return true;
  }
}
