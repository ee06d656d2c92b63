import { crc32 } from "node:zlib";
import { countPart, isAbsent, isRecord, type PartCount, soundAttributes } from "./json-values.ts";
import type { OtlpResourceSpans, OtlpScopeSpans, OtlpSpan } from "./otlp-shape.ts";
import type { NoSpan, SourceSpan, SpanSource } from "./span-source.ts";

/**
 * Objects, arrays and properties of a request, which is parsed in one go. A span of fifteen attributes has eighty, so a
 * Collector's largest default batch has a third of this. `[[[[…` has one a byte, and each costs a hundred bytes of memory
 * and a microsecond, which would be the end of the process.
 */
const maxParts = 2_000_000;

/** As some senders write the enumerations, in place of their numbers. */
const kinds: Readonly<Record<string, number>> = {
  SPAN_KIND_UNSPECIFIED: 0,
  SPAN_KIND_INTERNAL: 1,
  SPAN_KIND_SERVER: 2,
  SPAN_KIND_CLIENT: 3,
  SPAN_KIND_PRODUCER: 4,
  SPAN_KIND_CONSUMER: 5,
};
const statusCodes: Readonly<Record<string, number>> = {
  STATUS_CODE_UNSET: 0,
  STATUS_CODE_OK: 1,
  STATUS_CODE_ERROR: 2,
};

type Events = NonNullable<OtlpSpan["events"]>;
type Links = NonNullable<OtlpSpan["links"]>;

/** What spans share. */
interface Group {
  resource: OtlpResourceSpans["resource"];
  scope: OtlpScopeSpans["scope"];
  checksum: number;
}

/** The spans of an `ExportTraceServiceRequest` in OTLP's JSON encoding. */
export class JsonSpans implements SpanSource {
  readonly #spans: { span: unknown; group: Group }[] = [];

  /** @throws when it is no such request, with a line for people; what is wrong within one span is said of it alone. */
  constructor(bytes: Buffer) {
    if (bytes.length > maxParts) {
      // Before tens of megabytes are looked through.
      if (!isObjectBegun(bytes)) throw new TypeError("the body is no object");
      if (hasTooManyParts(bytes)) throw new TypeError("the body has too many parts");
    }
    const request = parsed(bytes);
    if (!isRecord(request)) throw new TypeError("the body is no object");
    for (const resourceSpans of records("resourceSpans", request["resourceSpans"])) {
      const resource = soundResource(resourceSpans["resource"]);
      for (const scopeSpans of records("scopeSpans", resourceSpans["scopeSpans"])) {
        const scope = soundScope(scopeSpans["scope"]);
        const group = { resource, scope, checksum: crc32(JSON.stringify([resource, scope])) };
        for (const span of listOf("spans", scopeSpans["spans"])) this.#spans.push({ span, group });
      }
    }
  }

  get count(): number {
    return this.#spans.length;
  }

  at(index: number): SourceSpan | NoSpan {
    const { span: raw, group } = this.#spans[index] as { span: unknown; group: Group };
    if (!isRecord(raw)) return { fault: "it is no object" };
    try {
      for (const field of ["attributes", "events", "links"]) listOf(field, raw[field]);
      const span = soundSpan(raw);
      const { resource, scope, checksum } = group;
      return { span, resource, scope, checksum: crc32(JSON.stringify(span), checksum) };
    } catch (error) {
      const { spanId } = raw;
      return { fault: (error as Error).message, ...(typeof spanId === "string" ? { spanId } : {}) };
    }
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    // The parser's own words show a part of the body.
    throw new TypeError("the body is not JSON");
  }
}

function isObjectBegun(bytes: Buffer): boolean {
  // After JSON's white space.
  const first = bytes.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
  return first === 0x7b;
}

function hasTooManyParts(bytes: Buffer): boolean {
  let parts = 0;
  // An iterator would take ten times as long.
  for (let at = 0; at < bytes.length && parts <= maxParts; at++) {
    const byte = bytes[at];
    // { [ :
    if (byte === 0x7b || byte === 0x5b || byte === 0x3a) parts++;
  }
  return parts > maxParts;
}

function listOf(field: string, value: unknown): unknown[] {
  if (isAbsent(value)) return [];
  if (!Array.isArray(value)) throw new TypeError(`${field} is no array`);
  return value;
}

function records(field: string, value: unknown): Record<string, unknown>[] {
  return listOf(field, value).map((entry) => {
    if (!isRecord(entry)) throw new TypeError(`an entry of ${field} is no object`);
    return entry;
  });
}

function soundResource(resource: unknown): Group["resource"] {
  return isRecord(resource) ? { attributes: soundAttributes(resource["attributes"], { parts: 0 }) } : undefined;
}

function soundScope(scope: unknown): Group["scope"] {
  if (!isRecord(scope)) return undefined;
  const { name, version } = scope;
  const attributes = soundAttributes(scope["attributes"], { parts: 0 });
  return {
    name: textOf(name) ?? "",
    ...(typeof version === "string" ? { version } : {}),
    ...(attributes.length > 0 ? { attributes } : {}),
  };
}

function soundSpan(raw: Record<string, unknown>): OtlpSpan {
  const count: PartCount = { parts: 0 };
  const span: { [Name in keyof OtlpSpan]-?: OtlpSpan[Name] | undefined } = {
    traceId: textOf(raw["traceId"]),
    spanId: textOf(raw["spanId"]),
    parentSpanId: textOf(raw["parentSpanId"]),
    traceState: textOf(raw["traceState"]),
    name: textOf(raw["name"]) ?? "",
    kind: numberOf(raw["kind"], kinds),
    startTimeUnixNano: timeOf(raw["startTimeUnixNano"]),
    endTimeUnixNano: timeOf(raw["endTimeUnixNano"]),
    attributes: soundAttributes(raw["attributes"], count),
    events: soundEvents(raw["events"], count),
    links: soundLinks(raw["links"], count),
    droppedAttributesCount: countOf(raw["droppedAttributesCount"]),
    droppedEventsCount: countOf(raw["droppedEventsCount"]),
    droppedLinksCount: countOf(raw["droppedLinksCount"]),
    status: soundStatus(raw["status"]),
  };
  return span as OtlpSpan;
}

function soundEvents(list: unknown, count: PartCount): Events {
  return each(list, count, ({ name, timeUnixNano, attributes, droppedAttributesCount }) => ({
    name: textOf(name) ?? "",
    timeUnixNano: timeOf(timeUnixNano) ?? "0",
    attributes: soundAttributes(attributes, count),
    ...droppedAttributes(droppedAttributesCount),
  }));
}

function soundLinks(list: unknown, count: PartCount): Links {
  return each(list, count, ({ traceId, spanId, traceState, attributes, droppedAttributesCount }) => ({
    traceId: textOf(traceId) ?? "",
    spanId: textOf(spanId) ?? "",
    ...(typeof traceState === "string" ? { traceState } : {}),
    attributes: soundAttributes(attributes, count),
    ...droppedAttributes(droppedAttributesCount),
  }));
}

function droppedAttributes(value: unknown): { droppedAttributesCount?: number } {
  const count = countOf(value);
  return count === undefined ? {} : { droppedAttributesCount: count };
}

function countOf(value: unknown): number | undefined {
  const count = typeof value === "string" && /^\d{1,10}$/.test(value) ? Number(value) : value;
  return typeof count === "number" && Number.isInteger(count) && count >= 0 ? count : undefined;
}

function each<Part>(list: unknown, count: PartCount, sound: (entry: Record<string, unknown>) => Part): Part[] {
  const parts: Part[] = [];
  for (const entry of listOf("", list)) {
    countPart(count);
    if (isRecord(entry)) parts.push(sound(entry));
  }
  return parts;
}

function soundStatus(status: unknown): NonNullable<OtlpSpan["status"]> {
  if (!isRecord(status)) return {};
  const code = numberOf(status["code"], statusCodes);
  const message = textOf(status["message"]);
  return { ...(code === undefined ? {} : { code }), ...(message === undefined ? {} : { message }) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** An enumeration, by number, by a number's text or by name. */
function numberOf(value: unknown, names: Readonly<Record<string, number>>): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return undefined;
  if (Object.hasOwn(names, value)) return names[value];
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** In decimal; `undefined`: no time. A number has lost its last digits before it came here. */
function timeOf(value: unknown): string | undefined {
  if (typeof value === "string") return /^\d{1,20}$/.test(value) ? value : undefined;
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? String(value) : undefined;
}
