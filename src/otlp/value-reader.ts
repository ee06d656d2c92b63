/** Attributes and their values in protobuf: common/v1/common.proto of opentelemetry-proto 1.x. Tags as in decode-protobuf.ts. */
import type { OtlpAnyValue, OtlpKeyValue } from "./otlp-shape.ts";
import { deepestValue, maxSpanParts, TooManyParts, tooDeep } from "./span-limits.ts";
import { WireReader } from "./wire-reader.ts";

/** Counts what it reads, since a part of two bytes becomes objects of a hundred. */
export class ValueReader extends WireReader {
  #parts = 0;

  /** To be called where another span, or what stands around spans, begins. */
  protected restartCount(): void {
    this.#parts = 0;
  }

  /** @throws as everything here when it is malformed, or one too many. */
  protected keyValue(outerEnd: number, depth: number): OtlpKeyValue {
    const end = this.part(outerEnd);
    let key = "";
    let value: OtlpAnyValue | undefined;
    while (this.position < end) {
      const tag = this.varint();
      if (tag === 10) key = this.knownText();
      else if (tag === 18) value = this.#anyValue(end, depth);
      else this.skip(tag);
    }
    this.leave(end);
    return { key, value: value ?? {} };
  }

  #anyValue(outerEnd: number, depth: number): OtlpAnyValue {
    const end = this.enter(outerEnd);
    let value: OtlpAnyValue = {};
    while (this.position < end) {
      const tag = this.varint();
      switch (tag) {
        case 10: // 1 string_value
          value = { stringValue: this.text() };
          break;
        case 16: // 2 bool_value
          value = { boolValue: this.varint() !== 0 };
          break;
        case 24: // 3 int_value
          value = { intValue: this.int64() };
          break;
        case 33: // 4 double_value
          value = { doubleValue: jsonNumber(this.double()) };
          break;
        case 42: // 5 array_value
          value = this.#array(end, depth + 1);
          break;
        case 50: // 6 kvlist_value
          value = this.#kvlist(end, depth + 1);
          break;
        case 58: // 7 bytes_value
          value = { bytesValue: this.base64() };
          break;
        default:
          this.skip(tag);
      }
    }
    this.leave(end);
    return value;
  }

  #array(outerEnd: number, depth: number): OtlpAnyValue {
    const end = this.enter(outerEnd);
    if (depth > deepestValue) return this.#leaveOut(end);
    const values: OtlpAnyValue[] = [];
    while (this.position < end) {
      const tag = this.varint();
      if (tag === 10) {
        this.#count();
        values.push(this.#anyValue(end, depth));
      } else this.skip(tag);
    }
    this.leave(end);
    return { arrayValue: { values } };
  }

  #kvlist(outerEnd: number, depth: number): OtlpAnyValue {
    const end = this.enter(outerEnd);
    if (depth > deepestValue) return this.#leaveOut(end);
    const values: OtlpKeyValue[] = [];
    while (this.position < end) {
      const tag = this.varint();
      if (tag === 10) values.push(this.keyValue(end, depth));
      else this.skip(tag);
    }
    this.leave(end);
    return { kvlistValue: { values } };
  }

  #leaveOut(end: number): OtlpAnyValue {
    this.position = end;
    return { stringValue: tooDeep };
  }

  /** Enters a message that counts. */
  protected part(outerEnd: number): number {
    this.#count();
    return this.enter(outerEnd);
  }

  #count(): void {
    if (++this.#parts > maxSpanParts) throw new TooManyParts();
  }
}

/** JSON has no numbers for these; OTLP's JSON has their names. */
function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
