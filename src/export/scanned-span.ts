/**
 * From the places that a scanner has found to a span of OTLP: what otlp.ts makes of a parsed payload, without parsing
 * it. Texts and structures that Langfuse keeps as JSON text are cut out of the bytes as they lie there.
 */
import { type OtlpKeyValue, type OtlpValue, toOtlpValue } from "./attribute-values.ts";
import { type Envelope, type EnvelopeFields, envelopeOf } from "./envelope.ts";
import { internalKind, type OtlpSpan, otlpEvent, otlpLink, ownPrefix, tagsAttribute } from "./otlp.ts";
import { type Place, partKind, type SpanScanner } from "./span-scanner.ts";

const own = Buffer.from(ownPrefix);
const tags = Buffer.from(tagsAttribute);

/** Resource, scope and service name as they lie in the bytes → the envelope they make. */
const envelopesByText = new Map<string, Envelope>();
const mostEnvelopes = 1_000;
const ownEnvelope = envelopeOf({});

export function scannedEnvelope(bytes: Buffer, { places }: SpanScanner): Envelope {
  const { resource, scope, serviceName } = places;
  if (!isThere(resource) && !isThere(scope) && !isThere(serviceName)) return ownEnvelope;
  // An empty name is not the same as none.
  const text = `${cut(bytes, resource)}\n${cut(bytes, scope)}\n${isThere(serviceName)}${cut(bytes, serviceName)}`;
  const known = envelopesByText.get(text);
  if (known !== undefined) return known;
  const fields: EnvelopeFields = {};
  if (isThere(resource)) fields.resource = valueAt(bytes, resource) as object;
  if (isThere(scope)) fields.scope = valueAt(bytes, scope) as object;
  if (isThere(serviceName)) fields.serviceName = textAt(bytes, serviceName);
  if (envelopesByText.size >= mostEnvelopes) envelopesByText.clear();
  const envelope = envelopeOf(fields);
  envelopesByText.set(text, envelope);
  return envelope;
}

export function scannedSpan(bytes: Buffer, scanner: SpanScanner): OtlpSpan {
  const { places } = scanner;
  const { traceId, spanId, parentSpanId, traceState, name, startTimeUnixNano, endTimeUnixNano } = places;
  const span: OtlpSpan = {
    traceId: cut(bytes, traceId),
    spanId: cut(bytes, spanId),
    name: textAt(bytes, name),
    kind: scannedKind(bytes, scanner),
    startTimeUnixNano: cut(bytes, startTimeUnixNano),
    endTimeUnixNano: cut(bytes, endTimeUnixNano),
    attributes: attributesOf(bytes, scanner),
    status: isThere(places.status) ? (valueAt(bytes, places.status) as OtlpSpan["status"]) : {},
  };
  if (isThere(parentSpanId)) span.parentSpanId = cut(bytes, parentSpanId);
  if (isThere(traceState)) span.traceState = textAt(bytes, traceState);
  if (isThere(places.events)) span.events = scannedEvents(bytes, scanner);
  if (isThere(places.links)) span.links = scannedLinks(bytes, scanner);
  return span;
}

export function scannedKind(bytes: Buffer, { places: { kind } }: SpanScanner): number {
  return isThere(kind) ? (bytes[kind.start] as number) - 0x30 : internalKind;
}

/** The span's events; to be asked for only when there are any. */
export function scannedEvents(bytes: Buffer, { places }: SpanScanner): NonNullable<OtlpSpan["events"]> {
  return (valueAt(bytes, places.events) as Parameters<typeof otlpEvent>[0][]).map(otlpEvent);
}

/** The span's links; to be asked for only when there are any. */
export function scannedLinks(bytes: Buffer, { places }: SpanScanner): NonNullable<OtlpSpan["links"]> {
  return (valueAt(bytes, places.links) as Parameters<typeof otlpLink>[0][]).map(otlpLink);
}

function attributesOf(bytes: Buffer, scanner: SpanScanner): OtlpKeyValue[] {
  const attributes: OtlpKeyValue[] = [];
  for (let index = 0; index < scanner.count; index++) {
    const value = isTextEntry(bytes, scanner, index)
      ? { stringValue: textAt(bytes, scanner.valueAt(index)) }
      : structuredValue(bytes, scanner, index);
    if (value !== undefined) attributes.push({ key: keyOf(bytes, scanner, index), value });
  }
  return attributes;
}

/** The key of an attribute: its own, that of its field, or both, for the parts of a field that is spread. */
export function keyOf(bytes: Buffer, scanner: SpanScanner, index: number): string {
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
  const value = valueAt(bytes, scanner.valueAt(index));
  if (value === null) return undefined;
  if (scanner.rows[index]?.encoding !== "texts") return toOtlpValue(value);
  return { arrayValue: { values: (value as unknown[]).map((text) => ({ stringValue: String(text) })) } };
}

export function isThere({ start }: Place): boolean {
  return start >= 0;
}

/** The text at a place: of a text its content, of anything else its JSON. */
export function textAt(bytes: Buffer, { start, end, kind }: Place): string {
  const text = bytes.toString("utf8", start, end);
  return kind === partKind.escapedText ? (JSON.parse(`"${text}"`) as string) : text;
}

function valueAt(bytes: Buffer, place: Place): unknown {
  const isText = place.kind === partKind.text || place.kind === partKind.escapedText;
  return isText ? textAt(bytes, place) : (JSON.parse(cut(bytes, place)) as unknown);
}

function cut(bytes: Buffer, place: Place): string {
  return isThere(place) ? bytes.toString("utf8", place.start, place.end) : "";
}

function startsWith(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  if (end - start < prefix.length) return false;
  for (let index = 0; index < prefix.length; index++) if (bytes[start + index] !== prefix[index]) return false;
  return true;
}
