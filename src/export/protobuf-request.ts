/**
 * The body of an OTLP request in protobuf, which is half as long as in JSON (no text within a text), and written
 * without making a text of anything that is not odd.
 */
import type { OtlpKeyValue, OtlpValue } from "./attribute-values.ts";
import type { Envelope } from "./envelope.ts";
import { partKind } from "./json-scanner.ts";
import type { LangfuseField } from "./langfuse-fields.ts";
import { droppedCountNames, type EnvelopedSpan, type OtlpSpan } from "./otlp.ts";
import {
  inAnyValue,
  inEvent,
  inKeyValue,
  inLink,
  inResource,
  inResourceSpans,
  inScope,
  inScopeSpans,
  inSpan,
  inStatus,
  resourceSpansTag,
  valuesTag,
} from "./otlp-wire.ts";
import {
  isTextEntry,
  scannedCount,
  scannedEvents,
  scannedKind,
  scannedLinks,
  scannedStatus,
  structuredValue,
  textAt,
} from "./scanned-span.ts";
import { scannedSurroundings } from "./scanned-surroundings.ts";
import { firstEntry, part, type SpanScanner } from "./span-scanner.ts";
import { WireWriter } from "./wire-writer.ts";

/** Beyond this an integer goes as a double: readers that know JavaScript's numbers only make the same of both. */
const longestInteger = 2 ** 31 - 1;

const dot = 0x2e;
let spreadKeys = Buffer.alloc(256);

const attributeBytes = new Map<LangfuseField, Buffer>();

/** One request. Spans that follow each other with the same envelope share it. */
export class ProtobufRequest {
  readonly #writer: WireWriter;
  #envelope: Envelope | undefined;
  #resourceMark = 0;
  #scopeMark = 0;

  /** @param writer empty, and nobody else's until `finish`. */
  constructor(writer: WireWriter) {
    this.#writer = writer;
    writer.reset();
  }

  /** The span that the scanner has just read. @throws as `add` does, for odd events and links. */
  addScanned(bytes: Buffer, scanner: SpanScanner): void {
    const { envelope, environment } = scannedSurroundings(bytes, scanner);
    this.#begin(envelope);
    this.#whole(() => this.#scanned(bytes, scanner, scanner.saysEnvironment ? undefined : environment));
  }

  /** A span that took the longer way. @throws for a shape that protobuf cannot say; nothing of it is written then. */
  add({ envelope, span }: EnvelopedSpan): void {
    this.#begin(envelope);
    this.#whole(() => this.#span(span));
  }

  finish(): Buffer {
    this.#end();
    return this.#writer.finish();
  }

  /** Half a span is none, and half of what is around it. */
  #whole(write: () => void): void {
    const position = this.#writer.position;
    try {
      write();
    } catch (error) {
      this.#writer.rewind(position);
      throw error;
    }
  }

  #scanned(bytes: Buffer, scanner: SpanScanner, environment: OtlpKeyValue | undefined): void {
    const writer = this.#writer;
    const mark = writer.open(inScopeSpans.spans);
    this.#scannedId(inSpan.traceId, bytes, scanner, part.traceId);
    this.#scannedId(inSpan.spanId, bytes, scanner, part.spanId);
    if (scanner.has(part.traceState)) this.#scannedText(inSpan.traceState, bytes, scanner, part.traceState);
    if (scanner.has(part.parentSpanId)) this.#scannedId(inSpan.parentSpanId, bytes, scanner, part.parentSpanId);
    this.#scannedText(inSpan.name, bytes, scanner, part.name);
    writer.varint(inSpan.kind, scannedKind(bytes, scanner));
    this.#scannedTime(inSpan.startTimeUnixNano, bytes, scanner, part.startTimeUnixNano);
    this.#scannedTime(inSpan.endTimeUnixNano, bytes, scanner, part.endTimeUnixNano);
    for (let index = firstEntry; index < scanner.count; index++) this.#entry(bytes, scanner, index);
    if (environment !== undefined) this.#attribute(inSpan.attributes, environment);
    if (scanner.has(part.events)) this.#events(scannedEvents(bytes, scanner));
    if (scanner.has(part.links)) this.#links(scannedLinks(bytes, scanner));
    for (const name of droppedCountNames) {
      if (scanner.has(part[name])) writer.varint(inSpan[name], scannedCount(bytes, scanner, part[name]));
    }
    if (scanner.has(part.status)) this.#status(scannedStatus(bytes, scanner));
    writer.close(mark);
  }

  #scannedId(tag: number, bytes: Buffer, scanner: SpanScanner, index: number): void {
    this.#writer.hex(tag, bytes, scanner.starts[index] as number, scanner.ends[index] as number);
  }

  #scannedTime(tag: number, bytes: Buffer, scanner: SpanScanner, index: number): void {
    this.#writer.decimal64(tag, bytes, scanner.starts[index] as number, scanner.ends[index] as number);
  }

  #scannedText(tag: number, bytes: Buffer, scanner: SpanScanner, index: number): void {
    if (scanner.kinds[index] === partKind.escapedText) this.#writer.text(tag, textAt(bytes, scanner, index));
    else this.#writer.copy(tag, bytes, scanner.starts[index], scanner.ends[index]);
  }

  #begin(envelope: Envelope): void {
    if (envelope === this.#envelope) return;
    this.#end();
    this.#whole(() => this.#surround(envelope));
    this.#envelope = envelope;
  }

  #surround(envelope: Envelope): void {
    const writer = this.#writer;
    this.#resourceMark = writer.open(resourceSpansTag);
    const resourceMark = writer.open(inResourceSpans.resource);
    this.#attributes(inResource.attributes, envelope.resource.attributes);
    writer.close(resourceMark);
    this.#scopeMark = writer.open(inResourceSpans.scopeSpans);
    const scopeMark = writer.open(inScopeSpans.scope);
    const { name, version, attributes } = envelope.scope;
    writer.text(inScope.name, name);
    if (version !== undefined) writer.text(inScope.version, version);
    if (attributes !== undefined) this.#attributes(inScope.attributes, attributes);
    writer.close(scopeMark);
  }

  #end(): void {
    if (this.#envelope === undefined) return;
    this.#writer.close(this.#scopeMark);
    this.#writer.close(this.#resourceMark);
    this.#envelope = undefined;
  }

  #entry(bytes: Buffer, scanner: SpanScanner, index: number): void {
    const row = scanner.rows[index];
    let keySource = bytes;
    let keyStart = scanner.keyStarts[index] as number;
    let keyEnd = scanner.keyEnds[index] as number;
    if (row !== undefined) {
      keySource = row.encoding === "spread" ? spreadKey(row, bytes, keyStart, keyEnd) : keyBytesOf(row);
      keyEnd = row.encoding === "spread" ? keyBytesOf(row).length + 1 + keyEnd - keyStart : keySource.length;
      keyStart = 0;
    }
    if (!isTextEntry(bytes, scanner, index)) {
      const value = structuredValue(bytes, scanner, index);
      if (value !== undefined) this.#keyValue(inSpan.attributes, keySource, keyStart, keyEnd, value);
      return;
    }
    let source = bytes;
    let start = scanner.starts[index] as number;
    let end = scanner.ends[index] as number;
    if (scanner.kinds[index] === partKind.escapedText) {
      source = Buffer.from(textAt(bytes, scanner, index));
      start = 0;
      end = source.length;
    }
    this.#writer.textAttribute(inSpan.attributes, keySource, keyStart, keyEnd, source, start, end);
  }

  #span(span: OtlpSpan): void {
    const writer = this.#writer;
    const mark = writer.open(inScopeSpans.spans);
    this.#id(inSpan.traceId, span.traceId);
    this.#id(inSpan.spanId, span.spanId);
    if (span.traceState !== undefined) writer.text(inSpan.traceState, textOf(span.traceState));
    if (span.parentSpanId !== undefined) this.#id(inSpan.parentSpanId, span.parentSpanId);
    writer.text(inSpan.name, span.name);
    writer.varint(inSpan.kind, span.kind);
    this.#time(inSpan.startTimeUnixNano, span.startTimeUnixNano);
    this.#time(inSpan.endTimeUnixNano, span.endTimeUnixNano);
    this.#attributes(inSpan.attributes, span.attributes);
    if (span.events !== undefined) this.#events(span.events);
    if (span.links !== undefined) this.#links(span.links);
    for (const name of droppedCountNames) this.#dropped(inSpan[name], span[name]);
    this.#status(span.status);
    writer.close(mark);
  }

  #events(events: NonNullable<OtlpSpan["events"]>): void {
    for (const { name, timeUnixNano, attributes, droppedAttributesCount } of events) {
      const mark = this.#writer.open(inSpan.events);
      this.#time(inEvent.timeUnixNano, timeUnixNano);
      this.#writer.text(inEvent.name, textOf(name));
      this.#attributes(inEvent.attributes, attributes);
      this.#dropped(inEvent.droppedAttributesCount, droppedAttributesCount);
      this.#writer.close(mark);
    }
  }

  #links(links: NonNullable<OtlpSpan["links"]>): void {
    for (const { traceId, spanId, traceState, attributes, droppedAttributesCount } of links) {
      const mark = this.#writer.open(inSpan.links);
      this.#id(inLink.traceId, traceId);
      this.#id(inLink.spanId, spanId);
      if (traceState !== undefined) this.#writer.text(inLink.traceState, textOf(traceState));
      this.#attributes(inLink.attributes, attributes);
      this.#dropped(inLink.droppedAttributesCount, droppedAttributesCount);
      this.#writer.close(mark);
    }
  }

  #dropped(tag: number, count: number | undefined): void {
    if (count !== undefined) this.#writer.varint(tag, count);
  }

  #status({ code, message }: OtlpSpan["status"]): void {
    if (code === undefined && message === undefined) return;
    const mark = this.#writer.open(inSpan.status);
    if (message !== undefined) this.#writer.text(inStatus.message, textOf(message));
    if (code !== undefined) this.#writer.varint(inStatus.code, enumeration(code));
    this.#writer.close(mark);
  }

  #attributes(tag: number, attributes: readonly OtlpKeyValue[]): void {
    for (const attribute of attributes) this.#attribute(tag, attribute);
  }

  #attribute(tag: number, { key, value }: OtlpKeyValue): void {
    const keyBytes = Buffer.from(key);
    this.#keyValue(tag, keyBytes, 0, keyBytes.length, value);
  }

  #keyValue(tag: number, keySource: Uint8Array, keyStart: number, keyEnd: number, value: OtlpValue): void {
    const mark = this.#writer.open(tag);
    this.#writer.copy(inKeyValue.key, keySource, keyStart, keyEnd);
    const valueMark = this.#writer.open(inKeyValue.value);
    this.#value(value);
    this.#writer.close(valueMark);
    this.#writer.close(mark);
  }

  /** The inside of an `AnyValue`; an empty one says null. */
  #value(value: OtlpValue): void {
    const writer = this.#writer;
    const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue } = value;
    if (stringValue !== undefined) writer.text(inAnyValue.string, textOf(stringValue));
    else if (boolValue !== undefined) writer.varint(inAnyValue.bool, boolValue ? 1 : 0);
    else if (intValue !== undefined) this.#number(intValue);
    else if (doubleValue !== undefined) this.#number(doubleValue);
    else if (arrayValue !== undefined) {
      const mark = writer.open(inAnyValue.array);
      for (const part of arrayValue.values ?? []) {
        const partMark = writer.open(valuesTag);
        this.#value(part);
        writer.close(partMark);
      }
      writer.close(mark);
    } else if (kvlistValue !== undefined) {
      const mark = writer.open(inAnyValue.kvlist);
      this.#attributes(valuesTag, kvlistValue.values ?? []);
      writer.close(mark);
    } else if ("bytesValue" in value) writer.copy(inAnyValue.bytes, Buffer.from(textOf(value.bytesValue), "base64"));
  }

  /** A number that came as a text is one that JavaScript's cannot hold, or NaN and the like: it stays a text. */
  #number(value: number | string): void {
    if (typeof value === "string") this.#writer.text(inAnyValue.string, value);
    else if (Number.isInteger(value) && value > 0 && value <= longestInteger)
      this.#writer.varint(inAnyValue.int, value);
    else this.#writer.double(inAnyValue.double, value);
  }

  #id(tag: number, id: unknown): void {
    const digits = Buffer.from(textOf(id), "latin1");
    if (!/^([0-9a-f]{2})+$/i.test(textOf(id))) throw new TypeError(`"${textOf(id)}" is no id of hex digits`);
    this.#writer.hex(tag, digits, 0, digits.length);
  }

  #time(tag: number, unixNano: unknown): void {
    const text = String(unixNano);
    if (!/^\d{1,20}$/.test(text)) throw new TypeError(`"${text}" is no time in nanoseconds`);
    this.#writer.decimal64(tag, Buffer.from(text, "latin1"), 0, text.length);
  }
}

function textOf(value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`${typeof value} where a text must be`);
  return value;
}

function enumeration(value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 127) {
    throw new TypeError(`${JSON.stringify(value)} where a small number must be`);
  }
  return value as number;
}

/** The field's attribute, a dot, and the part's own key. Valid until the next call. */
function spreadKey(row: LangfuseField, bytes: Buffer, start: number, end: number): Buffer {
  const prefix = keyBytesOf(row);
  const length = prefix.length + 1 + end - start;
  if (length > spreadKeys.length) spreadKeys = Buffer.alloc(length * 2);
  spreadKeys.set(prefix);
  spreadKeys[prefix.length] = dot;
  for (let at = start, to = prefix.length + 1; at < end; at++) spreadKeys[to++] = bytes[at] as number;
  return spreadKeys;
}

function keyBytesOf(row: LangfuseField): Buffer {
  let bytes = attributeBytes.get(row);
  if (bytes === undefined) {
    bytes = Buffer.from(row.attribute);
    attributeBytes.set(row, bytes);
  }
  return bytes;
}
