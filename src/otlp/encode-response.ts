/** What OTLP/HTTP answers, in either encoding. Field numbers as in trace_service.proto of opentelemetry-proto 1.x and google.rpc's status.proto. */
import { PbfWriter } from "pbf";
import type { OtlpEncoding } from "./encoding.ts";

type Answer = Uint8Array<ArrayBuffer> | string;

const inExportTraceServiceResponse = { partialSuccess: 1 };
const inPartialSuccess = { rejectedSpans: 1, errorMessage: 2 };
/** The code, field 1, is gRPC's; over HTTP the status line says it. */
const inStatus = { message: 2 };

/** `ExportTraceServiceResponse`: everything was taken. */
export function encodeSuccess(encoding: OtlpEncoding): Answer {
  return encoding === "json" ? "{}" : new Uint8Array(0);
}

/** `ExportTraceServiceResponse` for a request of which some spans were refused for good. */
export function encodePartialSuccess(encoding: OtlpEncoding, rejectedSpans: number, errorMessage: string): Answer {
  // JSON has 64-bit integers as texts.
  if (encoding === "json") {
    return JSON.stringify({ partialSuccess: { rejectedSpans: String(rejectedSpans), errorMessage } });
  }
  const writer = new PbfWriter();
  writer.writeMessage(
    inExportTraceServiceResponse.partialSuccess,
    (_, inner) => {
      inner.writeVarintField(inPartialSuccess.rejectedSpans, rejectedSpans);
      writeText(inner, inPartialSuccess.errorMessage, errorMessage);
    },
    undefined,
  );
  return finished(writer);
}

/** `Status`. */
export function encodeStatus(encoding: OtlpEncoding, message: string): Answer {
  if (encoding === "json") return JSON.stringify({ message });
  const writer = new PbfWriter();
  writeText(writer, inStatus.message, message);
  return finished(writer);
}

/** The library's own texts are wrong beyond U+1FFFF. */
function writeText(writer: PbfWriter, tag: number, text: string): void {
  writer.writeBytesField(tag, Buffer.from(text));
}

function finished(writer: PbfWriter): Uint8Array<ArrayBuffer> {
  return new Uint8Array(writer.finish());
}
