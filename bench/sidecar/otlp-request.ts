/** Spans of bench/content.ts as the OTLP request that an OpenTelemetry SDK would send, in both encodings. */
import { PbfWriter } from "pbf";
import { otelAttributesOf, type SpanContent } from "../span.ts";

export const encodings = ["json", "protobuf"] as const;
export type Encoding = (typeof encodings)[number];

export const contentTypes: Readonly<Record<Encoding, string>> = {
  json: "application/json",
  protobuf: "application/x-protobuf",
};

type AttributeValue = string | number;
type Attributes = Readonly<Record<string, AttributeValue>>;

const resource: Attributes = {
  "service.name": "bench",
  "telemetry.sdk.language": "nodejs",
  "telemetry.sdk.name": "opentelemetry",
  "telemetry.sdk.version": "2.12.1",
};
const scope = { name: "bench", version: "1.0.0" } as const;
const clientKind = 3;

export const encodeRequest: Readonly<Record<Encoding, (spans: readonly SpanContent[]) => Buffer>> = {
  json: encodeJson,
  protobuf: encodeProtobuf,
};

function encodeJson(spans: readonly SpanContent[]): Buffer {
  const request = {
    resourceSpans: [
      {
        resource: { attributes: jsonAttributes(resource) },
        scopeSpans: [{ scope, spans: spans.map(jsonSpan) }],
      },
    ],
  };
  return Buffer.from(JSON.stringify(request));
}

function jsonSpan(span: SpanContent): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    name: span.name,
    kind: clientKind,
    startTimeUnixNano: nanos(span.startTime).toString(),
    endTimeUnixNano: nanos(span.endTime).toString(),
    attributes: jsonAttributes(otelAttributesOf(span)),
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    status: { code: 0 },
    links: [],
    droppedLinksCount: 0,
  };
}

function jsonAttributes(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: value },
  }));
}

/** Field numbers as in opentelemetry-proto 1.x, trace/v1/trace.proto and common/v1/common.proto. */
function encodeProtobuf(spans: readonly SpanContent[]): Buffer {
  const pbf = new PbfWriter();
  pbf.writeMessage(1, writeResourceSpans, spans);
  return Buffer.from(pbf.finish());
}

function writeResourceSpans(spans: readonly SpanContent[], pbf: PbfWriter): void {
  pbf.writeMessage(1, writeAttributes(1), resource);
  pbf.writeMessage(2, writeScopeSpans, spans);
}

function writeScopeSpans(spans: readonly SpanContent[], pbf: PbfWriter): void {
  pbf.writeMessage(
    1,
    (_, inner) => {
      inner.writeStringField(1, scope.name);
      inner.writeStringField(2, scope.version);
    },
    undefined,
  );
  for (const span of spans) pbf.writeMessage(2, writeSpan, span);
}

function writeSpan(span: SpanContent, pbf: PbfWriter): void {
  pbf.writeBytesField(1, Buffer.from(span.traceId, "hex"));
  pbf.writeBytesField(2, Buffer.from(span.spanId, "hex"));
  pbf.writeBytesField(4, Buffer.from(span.parentSpanId, "hex"));
  pbf.writeStringField(5, span.name);
  pbf.writeVarintField(6, clientKind);
  writeFixed64Field(pbf, 7, nanos(span.startTime));
  writeFixed64Field(pbf, 8, nanos(span.endTime));
  writeAttributes(9)(otelAttributesOf(span), pbf);
  pbf.writeMessage(15, () => undefined, undefined);
}

function writeAttributes(field: number): (attributes: Attributes, pbf: PbfWriter) => void {
  return (attributes, pbf) => {
    for (const attribute of Object.entries(attributes)) pbf.writeMessage(field, writeAttribute, attribute);
  };
}

function writeAttribute([key, value]: [string, AttributeValue], pbf: PbfWriter): void {
  pbf.writeStringField(1, key);
  pbf.writeMessage(2, writeValue, value);
}

function writeValue(value: AttributeValue, pbf: PbfWriter): void {
  if (typeof value === "string") pbf.writeStringField(1, value);
  else pbf.writeVarintField(3, value);
}

/** All 64 bits, which a number would round. */
function writeFixed64Field(pbf: PbfWriter, field: number, value: bigint): void {
  pbf.writeTag(field, 1);
  pbf.writeFixed32(Number(value & 0xffff_ffffn));
  pbf.writeFixed32(Number(value >> 32n));
}

function nanos(time: Date): bigint {
  return BigInt(time.getTime()) * 1_000_000n;
}
