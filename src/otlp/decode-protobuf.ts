/**
 * OTLP's ExportTraceServiceRequest from protobuf to the shape of its JSON encoding. Field numbers as in
 * opentelemetry-proto 1.x, trace/v1/trace.proto and common/v1/common.proto. Unknown fields are passed over.
 */
import { PbfReader } from "pbf";
import type {
  OtlpAnyValue,
  OtlpKeyValue,
  OtlpRequest,
  OtlpResourceSpans,
  OtlpScopeSpans,
  OtlpSpan,
} from "./otlp-shape.ts";

/** @throws when the bytes are no such message. */
export function decodeOtlpRequest(bytes: Uint8Array): OtlpRequest {
  return new PbfReader(bytes).readFields(readRequest, { resourceSpans: [] });
}

type Reader<T> = (tag: number, result: T, pbf: PbfReader) => void;

const readRequest: Reader<{ resourceSpans: OtlpResourceSpans[] }> = (tag, request, pbf) => {
  if (tag === 1) request.resourceSpans.push(pbf.readMessage(readResourceSpans, { scopeSpans: [] }));
};

const readResourceSpans: Reader<OtlpResourceSpans & { scopeSpans: OtlpScopeSpans[] }> = (tag, result, pbf) => {
  if (tag === 1) result.resource = pbf.readMessage(readAttributesAt(1), { attributes: [] });
  else if (tag === 2) result.scopeSpans.push(pbf.readMessage(readScopeSpans, { spans: [] }));
};

const readScopeSpans: Reader<OtlpScopeSpans & { spans: OtlpSpan[] }> = (tag, result, pbf) => {
  if (tag === 1) result.scope = pbf.readMessage(readScope, { attributes: [] });
  else if (tag === 2) result.spans.push(pbf.readMessage(readSpan, newSpan()));
};

const readScope: Reader<NonNullable<OtlpScopeSpans["scope"]> & { attributes: OtlpKeyValue[] }> = (tag, scope, pbf) => {
  if (tag === 1) scope.name = pbf.readString();
  else if (tag === 2) scope.version = pbf.readString();
  else if (tag === 3) scope.attributes.push(readKeyValue(pbf));
};

type DecodedSpan = Required<Pick<OtlpSpan, "attributes" | "events" | "links">> & OtlpSpan;

function newSpan(): DecodedSpan {
  return { name: "", attributes: [], events: [], links: [], status: {} };
}

const readSpan: Reader<DecodedSpan> = (tag, span, pbf) => {
  if (tag === 1) span.traceId = readHex(pbf);
  else if (tag === 2) span.spanId = readHex(pbf);
  else if (tag === 3) span.traceState = pbf.readString();
  else if (tag === 4) span.parentSpanId = readHex(pbf);
  else if (tag === 5) span.name = pbf.readString();
  else if (tag === 6) span.kind = pbf.readVarint();
  else if (tag === 7) span.startTimeUnixNano = readFixed64(pbf);
  else if (tag === 8) span.endTimeUnixNano = readFixed64(pbf);
  else if (tag === 9) span.attributes.push(readKeyValue(pbf));
  else if (tag === 11) span.events.push(pbf.readMessage(readEvent, { attributes: [] }));
  else if (tag === 13) span.links.push(pbf.readMessage(readLink, { attributes: [] }));
  else if (tag === 15) span.status = pbf.readMessage(readStatus, {});
};

const readEvent: Reader<DecodedSpan["events"][number] & { attributes: OtlpKeyValue[] }> = (tag, event, pbf) => {
  if (tag === 1) event.timeUnixNano = readFixed64(pbf);
  else if (tag === 2) event.name = pbf.readString();
  else if (tag === 3) event.attributes.push(readKeyValue(pbf));
};

const readLink: Reader<DecodedSpan["links"][number] & { attributes: OtlpKeyValue[] }> = (tag, link, pbf) => {
  if (tag === 1) link.traceId = readHex(pbf);
  else if (tag === 2) link.spanId = readHex(pbf);
  else if (tag === 3) link.traceState = pbf.readString();
  else if (tag === 4) link.attributes.push(readKeyValue(pbf));
};

const readStatus: Reader<{ code?: number; message?: string }> = (tag, status, pbf) => {
  if (tag === 2) status.message = pbf.readString();
  else if (tag === 3) status.code = pbf.readVarint();
};

function readAttributesAt(wanted: number): Reader<{ attributes: OtlpKeyValue[] }> {
  return (tag, result, pbf) => {
    if (tag === wanted) result.attributes.push(readKeyValue(pbf));
  };
}

function readKeyValue(pbf: PbfReader): OtlpKeyValue {
  return pbf.readMessage<OtlpKeyValue>(
    (tag, pair, reader) => {
      if (tag === 1) pair.key = reader.readString();
      else if (tag === 2) pair.value = reader.readMessage(readAnyValue, {});
    },
    { key: "", value: {} },
  );
}

const readAnyValue: Reader<OtlpAnyValue> = (tag, value, pbf) => {
  if (tag === 1) value.stringValue = pbf.readString();
  else if (tag === 2) value.boolValue = pbf.readBoolean();
  else if (tag === 3) value.intValue = String(pbf.readVarint(true));
  else if (tag === 4) value.doubleValue = pbf.readDouble();
  else if (tag === 5) value.arrayValue = pbf.readMessage(readArray, { values: [] });
  else if (tag === 6) value.kvlistValue = pbf.readMessage(readList, { values: [] });
  else if (tag === 7) value.bytesValue = Buffer.from(pbf.readBytes()).toString("base64");
};

const readArray: Reader<{ values: OtlpAnyValue[] }> = (tag, array, pbf) => {
  if (tag === 1) array.values.push(pbf.readMessage(readAnyValue, {}));
};

const readList: Reader<{ values: OtlpKeyValue[] }> = (tag, list, pbf) => {
  if (tag === 1) list.values.push(readKeyValue(pbf));
};

function readHex(pbf: PbfReader): string {
  return Buffer.from(pbf.readBytes()).toString("hex");
}

/** All 64 bits, which a number would round. */
function readFixed64(pbf: PbfReader): string {
  const low = BigInt(pbf.readFixed32());
  return ((BigInt(pbf.readFixed32()) << 32n) | low).toString();
}
