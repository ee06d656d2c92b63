/**
 * From the places that a scanner has found to a span of OTLP: what otlp.ts makes of a parsed payload, without parsing
 * it. Texts and structures that Langfuse keeps as JSON text are cut out of the bytes as they lie there.
 */
import { type OtlpKeyValue, type OtlpValue, readableValue, toOtlpValue } from "./attribute-values.ts";
import { partKind } from "./json-scanner.ts";
import { startsWith } from "./key-table.ts";
import {
  droppedCountNames,
  type EnvelopedSpan,
  internalKind,
  type OtlpSpan,
  otlpEvent,
  otlpLink,
  ownPrefix,
  tagsAttribute,
} from "./otlp.ts";
import { scannedSurroundings } from "./scanned-surroundings.ts";
import { firstEntry, part, type SpanScanner } from "./span-scanner.ts";

const own = Buffer.from(ownPrefix);
const tags = Buffer.from(tagsAttribute);

export function scannedSpan(bytes: Buffer, scanner: SpanScanner): EnvelopedSpan {
  const { envelope, environment } = scannedSurroundings(bytes, scanner);
  const span: OtlpSpan = {
    traceId: cut(bytes, scanner, part.traceId),
    spanId: cut(bytes, scanner, part.spanId),
    name: textAt(bytes, scanner, part.name),
    kind: scannedKind(bytes, scanner),
    startTimeUnixNano: cut(bytes, scanner, part.startTimeUnixNano),
    endTimeUnixNano: cut(bytes, scanner, part.endTimeUnixNano),
    attributes: attributesOf(bytes, scanner),
    status: scannedStatus(bytes, scanner),
  };
  if (scanner.has(part.parentSpanId)) span.parentSpanId = cut(bytes, scanner, part.parentSpanId);
  if (scanner.has(part.traceState)) span.traceState = textAt(bytes, scanner, part.traceState);
  if (scanner.has(part.events)) span.events = scannedEvents(bytes, scanner);
  if (scanner.has(part.links)) span.links = scannedLinks(bytes, scanner);
  for (const name of droppedCountNames) {
    if (scanner.has(part[name])) span[name] = scannedCount(bytes, scanner, part[name]);
  }
  if (environment !== undefined && !scanner.saysEnvironment) span.attributes.push(environment);
  return { envelope, span };
}

export function scannedKind(bytes: Buffer, scanner: SpanScanner): number {
  return scanner.has(part.kind) ? (bytes[scanner.starts[part.kind] as number] as number) - 0x30 : internalKind;
}

/** Of the parts that are counts; to be asked for only when it is there. */
export function scannedCount(bytes: Buffer, scanner: SpanScanner, index: number): number {
  return Number(cut(bytes, scanner, index));
}

export function scannedStatus(bytes: Buffer, scanner: SpanScanner): OtlpSpan["status"] {
  return scanner.has(part.status) ? (valueAt(bytes, scanner, part.status) as OtlpSpan["status"]) : {};
}

/** The span's events; to be asked for only when there are any. */
export function scannedEvents(bytes: Buffer, scanner: SpanScanner): NonNullable<OtlpSpan["events"]> {
  return (valueAt(bytes, scanner, part.events) as Parameters<typeof otlpEvent>[0][]).map(otlpEvent);
}

/** The span's links; to be asked for only when there are any. */
export function scannedLinks(bytes: Buffer, scanner: SpanScanner): NonNullable<OtlpSpan["links"]> {
  return (valueAt(bytes, scanner, part.links) as Parameters<typeof otlpLink>[0][]).map(otlpLink);
}

function attributesOf(bytes: Buffer, scanner: SpanScanner): OtlpKeyValue[] {
  const attributes: OtlpKeyValue[] = [];
  for (let index = firstEntry; index < scanner.count; index++) {
    const value = isTextEntry(bytes, scanner, index)
      ? { stringValue: textAt(bytes, scanner, index) }
      : structuredValue(bytes, scanner, index);
    if (value !== undefined) attributes.push({ key: keyOf(bytes, scanner, index), value });
  }
  return attributes;
}

/** The key of an attribute: its own, that of its field, or both, for the parts of a field that is spread. */
function keyOf(bytes: Buffer, scanner: SpanScanner, index: number): string {
  const row = scanner.rows[index];
  const ownKey = bytes.toString("utf8", scanner.keyStarts[index], scanner.keyEnds[index]);
  if (row === undefined) return ownKey;
  return row.encoding === "spread" ? `${row.attribute}.${ownKey}` : row.attribute;
}

/** Does the entry become a text, as it lies in the bytes? */
export function isTextEntry(bytes: Buffer, scanner: SpanScanner, index: number): boolean {
  const row = scanner.rows[index];
  const kind = scanner.kinds[index] as number;
  if (row !== undefined) return row.encoding !== "texts" && row.encoding !== "boolean" && row.encoding !== "integer";
  if (kind === partKind.text || kind === partKind.escapedText) return true;
  if (kind !== partKind.object && kind !== partKind.array) return false;
  const start = scanner.keyStarts[index] as number;
  const end = scanner.keyEnds[index] as number;
  return startsWith(bytes, start, end, own) && !(end - start === tags.length && startsWith(bytes, start, end, tags));
}

/** The value of an entry that is no text; `undefined`: not set. */
export function structuredValue(bytes: Buffer, scanner: SpanScanner, index: number): OtlpValue | undefined {
  const value = valueAt(bytes, scanner, index);
  if (value === null) return undefined;
  const kind = scanner.kinds[index];
  if (kind === partKind.double) return { doubleValue: value as number };
  if (kind === partKind.otlpValue) return readableValue(value as OtlpValue);
  if (scanner.rows[index]?.encoding !== "texts") return toOtlpValue(value);
  return { arrayValue: { values: (value as unknown[]).map((text) => ({ stringValue: String(text) })) } };
}

/** The text at a place: of a text its content, of anything else its JSON. */
export function textAt(bytes: Buffer, scanner: SpanScanner, index: number): string {
  const text = cut(bytes, scanner, index);
  return scanner.kinds[index] === partKind.escapedText ? (JSON.parse(`"${text}"`) as string) : text;
}

function valueAt(bytes: Buffer, scanner: SpanScanner, index: number): unknown {
  const kind = scanner.kinds[index];
  if (kind === partKind.true || kind === partKind.false) return kind === partKind.true;
  const text = textAt(bytes, scanner, index);
  return (scanner.kinds[index] as number) <= partKind.escapedText ? text : (JSON.parse(text) as unknown);
}

/** The bytes at a place as text. */
function cut(bytes: Buffer, scanner: SpanScanner, index: number): string {
  return bytes.toString("utf8", scanner.starts[index], scanner.ends[index]);
}
