/** An `ExportTraceServiceRequest` in protobuf from OTLP's JSON shape, by another library than what is tested. */
import { PbfWriter } from "pbf";
import type { OtlpAnyValue, OtlpKeyValue, OtlpRequest, OtlpSpan } from "../../src/otlp/otlp-shape.ts";

export function encodeOtlpRequest(request: OtlpRequest): Buffer<ArrayBuffer> {
  const writer = new PbfWriter();
  for (const { resource, scopeSpans = [] } of request.resourceSpans ?? []) {
    message(writer, 1, (outer) => {
      if (resource !== undefined) message(outer, 1, (inner) => attributes(inner, 1, resource.attributes));
      for (const { scope, spans = [] } of scopeSpans) {
        message(outer, 2, (inner) => {
          if (scope !== undefined) {
            message(inner, 1, (writer) => {
              text(writer, 1, scope.name);
              text(writer, 2, scope.version);
              attributes(writer, 3, scope.attributes);
            });
          }
          for (const span of spans) message(inner, 2, (writer) => encodeSpan(writer, span));
        });
      }
    });
  }
  return Buffer.from(writer.finish());
}

function encodeSpan(writer: PbfWriter, span: OtlpSpan): void {
  hex(writer, 1, span.traceId);
  hex(writer, 2, span.spanId);
  text(writer, 3, span.traceState);
  hex(writer, 4, span.parentSpanId);
  text(writer, 5, span.name);
  if (span.kind !== undefined) writer.writeVarintField(6, span.kind);
  fixed64(writer, 7, span.startTimeUnixNano);
  fixed64(writer, 8, span.endTimeUnixNano);
  attributes(writer, 9, span.attributes);
  count(writer, 10, span.droppedAttributesCount);
  count(writer, 12, span.droppedEventsCount);
  count(writer, 14, span.droppedLinksCount);
  for (const event of span.events ?? []) {
    message(writer, 11, (inner) => {
      fixed64(inner, 1, event.timeUnixNano);
      text(inner, 2, event.name);
      attributes(inner, 3, event.attributes);
      count(inner, 4, event.droppedAttributesCount);
    });
  }
  for (const link of span.links ?? []) {
    message(writer, 13, (inner) => {
      hex(inner, 1, link.traceId);
      hex(inner, 2, link.spanId);
      text(inner, 3, link.traceState);
      attributes(inner, 4, link.attributes);
      count(inner, 5, link.droppedAttributesCount);
    });
  }
  const { status } = span;
  if (status !== undefined) {
    message(writer, 15, (inner) => {
      text(inner, 2, status.message);
      if (status.code !== undefined) inner.writeVarintField(3, status.code);
    });
  }
  // flags, which nobody here reads
  writer.writeFixed32Field(16, 256);
}

function attributes(writer: PbfWriter, tag: number, list: readonly OtlpKeyValue[] = []): void {
  for (const { key, value } of list) {
    message(writer, tag, (inner) => {
      text(inner, 1, key);
      message(inner, 2, (innermost) => anyValue(innermost, value));
    });
  }
}

function anyValue(writer: PbfWriter, value: OtlpAnyValue): void {
  const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue, bytesValue } = value;
  if (stringValue !== undefined) text(writer, 1, stringValue);
  else if (boolValue !== undefined) writer.writeBooleanField(2, boolValue);
  else if (intValue !== undefined) {
    writer.writeTag(3, 0);
    let rest = BigInt.asUintN(64, BigInt(intValue));
    for (; rest > 127n; rest >>= 7n) {
      writer.writeVarint(Number(rest & 127n) | 128);
      // Of a byte with its highest bit set the writer makes two; the second says nothing.
      writer.pos--;
    }
    writer.writeVarint(Number(rest));
  } else if (doubleValue !== undefined) writer.writeDoubleField(4, Number(doubleValue));
  else if (arrayValue !== undefined) {
    message(writer, 5, (inner) => {
      for (const each of arrayValue.values ?? []) message(inner, 1, (innermost) => anyValue(innermost, each));
    });
  } else if (kvlistValue !== undefined) message(writer, 6, (inner) => attributes(inner, 1, kvlistValue.values));
  else if (bytesValue !== undefined) writer.writeBytesField(7, Buffer.from(bytesValue, "base64"));
}

function message(writer: PbfWriter, tag: number, write: (inner: PbfWriter) => void): void {
  writer.writeMessage(tag, (_, inner) => write(inner), undefined);
}

/** As bytes: the library's own texts are wrong beyond U+1FFFF. */
function text(writer: PbfWriter, tag: number, value: string | undefined): void {
  if (value !== undefined) writer.writeBytesField(tag, Buffer.from(value));
}

function count(writer: PbfWriter, tag: number, value: number | undefined): void {
  if (value !== undefined) writer.writeVarintField(tag, value);
}

function hex(writer: PbfWriter, tag: number, value: string | undefined): void {
  if (value !== undefined) writer.writeBytesField(tag, Buffer.from(value, "hex"));
}

function fixed64(writer: PbfWriter, tag: number, value: string | number | undefined): void {
  if (value === undefined) return;
  writer.writeTag(tag, 1);
  writer.writeFixed32(Number(BigInt(value) & 0xffff_ffffn));
  writer.writeFixed32(Number(BigInt(value) >> 32n));
}
