/**
 * OTLP's ExportTraceServiceRequest from protobuf to the shape of its JSON encoding. Field numbers as in
 * opentelemetry-proto 1.x, trace/v1/trace.proto and common/v1/common.proto, beside them their names there. A case is the
 * tag as it is on the wire, number and type in one (number × 8 + type), so a field of another type is an unknown one;
 * those are passed over.
 */
import type { OtlpKeyValue, OtlpRequest, OtlpResourceSpans, OtlpScopeSpans, OtlpSpan } from "./otlp-shape.ts";
import { maxRequestEntries, maxRequestSpans, TooManyEntries, TooManySpans } from "./span-limits.ts";
import { ValueReader } from "./value-reader.ts";

type Resource = NonNullable<OtlpResourceSpans["resource"]>;
type Scope = NonNullable<OtlpScopeSpans["scope"]>;

/** Where a request has a span, and the rest of what was said about it. */
export interface SpanPlace {
  start: number;
  end: number;
  group: SpanGroup;
}

/** What spans share, and the places of its own bytes. Resource and scope are there once the request is read. */
export interface SpanGroup {
  resource: Resource | undefined;
  scope: Scope | undefined;
  /** Pairs of start and end. */
  places: number[];
}

/** @throws when the bytes are no such message. */
export function decodeOtlpRequest(bytes: Uint8Array): OtlpRequest {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const resourceSpans: OtlpResourceSpans[] = [];
  const decoder = new Decoder(buffer);
  let group: SpanGroup | undefined;
  let spans: OtlpSpan[] = [];
  for (const place of decoder.places()) {
    if (place.group !== group) {
      const { resource, scope } = place.group;
      spans = [];
      group = place.group;
      resourceSpans.push({
        ...(resource === undefined ? {} : { resource }),
        scopeSpans: [{ ...(scope === undefined ? {} : { scope }), spans }],
      });
    }
    spans.push(decoder.span(place));
  }
  return { resourceSpans };
}

/** Decodes a request in two steps: first where its spans are, then each of them, so that a bad one harms no other. */
export class Decoder extends ValueReader {
  #entries = 0;

  /** @throws when the message that holds the spans is malformed. What is wrong within a span is not seen here. */
  places(): SpanPlace[] {
    const places: SpanPlace[] = [];
    const end = this.bytes.length;
    this.position = 0;
    this.#entries = 0;
    while (this.position < end) {
      const tag = this.#entry();
      // 1 resource_spans
      if (tag === 10) this.#resourceSpans(places, end);
      else this.skip(tag);
    }
    this.leave(end);
    return places;
  }

  /** @throws when the span is malformed or too large. */
  span({ start, end }: SpanPlace): OtlpSpan {
    this.position = start;
    this.restartCount();
    const attributes: OtlpKeyValue[] = [];
    const events: NonNullable<OtlpSpan["events"]> = [];
    const links: NonNullable<OtlpSpan["links"]> = [];
    // One literal with every field: objects of one shape are quickest to make and to read.
    const span: { [Name in keyof OtlpSpan]-?: OtlpSpan[Name] | undefined } = {
      traceId: undefined,
      spanId: undefined,
      parentSpanId: undefined,
      traceState: undefined,
      name: "",
      kind: undefined,
      startTimeUnixNano: undefined,
      endTimeUnixNano: undefined,
      attributes,
      events,
      links,
      droppedAttributesCount: undefined,
      droppedEventsCount: undefined,
      droppedLinksCount: undefined,
      status: {},
    };
    while (this.position < end) {
      const tag = this.varint();
      switch (tag) {
        case 10: // 1 trace_id
          span.traceId = this.hex();
          break;
        case 18: // 2 span_id
          span.spanId = this.hex();
          break;
        case 26: // 3 trace_state
          span.traceState = this.text();
          break;
        case 34: // 4 parent_span_id
          span.parentSpanId = this.hex();
          break;
        case 42: // 5 name
          span.name = this.knownText();
          break;
        case 48: // 6 kind
          span.kind = this.varint();
          break;
        case 57: // 7 start_time_unix_nano
          span.startTimeUnixNano = this.fixed64();
          break;
        case 65: // 8 end_time_unix_nano
          span.endTimeUnixNano = this.fixed64();
          break;
        case 74: // 9 attributes
          attributes.push(this.keyValue(end, 0));
          break;
        case 80: // 10 dropped_attributes_count
          span.droppedAttributesCount = this.varint();
          break;
        case 90: // 11 events
          events.push(this.#event(end));
          break;
        case 96: // 12 dropped_events_count
          span.droppedEventsCount = this.varint();
          break;
        case 106: // 13 links
          links.push(this.#link(end));
          break;
        case 112: // 14 dropped_links_count
          span.droppedLinksCount = this.varint();
          break;
        case 122: // 15 status
          span.status = this.#status(end);
          break;
        default:
          this.skip(tag);
      }
    }
    this.leave(end);
    return span as OtlpSpan;
  }

  /** The tag of the next field outside of spans. */
  #entry(): number {
    if (++this.#entries > maxRequestEntries) throw new TooManyEntries();
    return this.varint();
  }

  #resourceSpans(places: SpanPlace[], outerEnd: number): void {
    const end = this.enter(outerEnd);
    const groups: SpanGroup[] = [];
    let resource: Resource | undefined;
    let resourcePlace: number[] = [];
    while (this.position < end) {
      const tag = this.#entry();
      if (tag === 10) {
        // 1 resource
        const start = this.position;
        resource = this.#resource(end);
        resourcePlace = [start, this.position];
      } else if (tag === 18) {
        // 2 scope_spans
        const before = places.length;
        const group = this.#scopeSpans(places, end);
        if (places.length > before) groups.push(group);
      } else this.skip(tag);
    }
    this.leave(end);
    // Fields may come in any order, so only now is it known.
    for (const group of groups) {
      group.resource = resource;
      group.places.push(...resourcePlace);
    }
  }

  #scopeSpans(places: SpanPlace[], outerEnd: number): SpanGroup {
    const end = this.enter(outerEnd);
    const group: SpanGroup = { resource: undefined, scope: undefined, places: [] };
    while (this.position < end) {
      const tag = this.#entry();
      if (tag === 10) {
        // 1 scope
        const start = this.position;
        group.scope = this.#scope(end);
        group.places = [start, this.position];
      } else if (tag === 18) {
        // 2 spans
        const spanEnd = this.enter(end);
        if (places.push({ start: this.position, end: spanEnd, group }) > maxRequestSpans) throw new TooManySpans();
        this.position = spanEnd;
      } else this.skip(tag);
    }
    this.leave(end);
    return group;
  }

  #resource(outerEnd: number): Resource {
    const end = this.enter(outerEnd);
    this.restartCount();
    const attributes: OtlpKeyValue[] = [];
    while (this.position < end) {
      const tag = this.varint();
      // 1 attributes
      if (tag === 10) attributes.push(this.keyValue(end, 0));
      else this.skip(tag);
    }
    this.leave(end);
    return { attributes };
  }

  #scope(outerEnd: number): Scope {
    const end = this.enter(outerEnd);
    this.restartCount();
    const attributes: OtlpKeyValue[] = [];
    const scope: Scope = { name: "" };
    while (this.position < end) {
      const tag = this.varint();
      if (tag === 10) scope.name = this.knownText();
      else if (tag === 18) scope.version = this.knownText();
      else if (tag === 26) attributes.push(this.keyValue(end, 0));
      else this.skip(tag);
    }
    this.leave(end);
    if (attributes.length > 0) scope.attributes = attributes;
    return scope;
  }

  #event(outerEnd: number): NonNullable<OtlpSpan["events"]>[number] {
    const end = this.part(outerEnd);
    const attributes: OtlpKeyValue[] = [];
    const event: NonNullable<OtlpSpan["events"]>[number] = { name: "", timeUnixNano: "0", attributes };
    while (this.position < end) {
      const tag = this.varint();
      if (tag === 9) event.timeUnixNano = this.fixed64();
      else if (tag === 18) event.name = this.knownText();
      else if (tag === 26) attributes.push(this.keyValue(end, 0));
      else if (tag === 32) event.droppedAttributesCount = this.varint();
      else this.skip(tag);
    }
    this.leave(end);
    return event;
  }

  #link(outerEnd: number): NonNullable<OtlpSpan["links"]>[number] {
    const end = this.part(outerEnd);
    const attributes: OtlpKeyValue[] = [];
    const link: NonNullable<OtlpSpan["links"]>[number] = { traceId: "", spanId: "", attributes };
    while (this.position < end) {
      const tag = this.varint();
      if (tag === 10) link.traceId = this.hex();
      else if (tag === 18) link.spanId = this.hex();
      else if (tag === 26) link.traceState = this.text();
      else if (tag === 34) attributes.push(this.keyValue(end, 0));
      else if (tag === 40) link.droppedAttributesCount = this.varint();
      else this.skip(tag);
    }
    this.leave(end);
    return link;
  }

  #status(outerEnd: number): NonNullable<OtlpSpan["status"]> {
    const end = this.enter(outerEnd);
    const status: NonNullable<OtlpSpan["status"]> = {};
    while (this.position < end) {
      const tag = this.varint();
      if (tag === 18) status.message = this.text();
      else if (tag === 24) status.code = this.varint();
      else this.skip(tag);
    }
    this.leave(end);
    return status;
  }
}
