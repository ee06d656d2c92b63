/** The lines of a file that is imported: as `export` writes them, or as an OpenTelemetry Collector's file exporter does. */
import { closeSync, openSync, readSync } from "node:fs";
import { serialise } from "../../buffer/serialise.ts";
import type { SpanPayload } from "../../buffer/span-payload.ts";
import { isStoredEvent, storedObject } from "../../buffer/stored-identity.ts";
import { parseEvent } from "../../export/event-kinds.ts";
import { JsonSpans } from "../../otlp/json-spans.ts";
import { identityFault } from "../../otlp/span-identity.ts";
import { payloadOf } from "../../server/traces/payload.ts";

/** What one line, or a part of it, has turned out to be. */
export type ImportRecord =
  /** `isCut`: it was larger than the limit. */
  { kind: "span" | "event"; payload: Buffer; isCut: boolean } | { kind: "refused"; reason: string };

const chunkBytes = 1024 * 1024;

/** OTLP's requests are as large as a Collector's batches; what is beyond this is no such file. */
const maxLineBytes = 256 * 1024 * 1024;

const newline = 0x0a;

/**
 * Everything in a file, in its order. Nothing of it is sent anywhere.
 *
 * @param maxSpanBytes a larger span is cut, as it would be when it ends.
 * @param onBytes gets how many bytes of the file have been read.
 * @throws what the file system throws.
 */
export function* importRecords(
  file: string,
  maxSpanBytes: number,
  onBytes: (bytes: number) => void,
): Generator<ImportRecord> {
  for (const line of linesOf(file, onBytes)) {
    if (line === undefined) yield { kind: "refused", reason: `a line is longer than ${maxLineBytes} bytes` };
    else if (line.length > 0) yield* recordsIn(line, maxSpanBytes);
  }
}

function* recordsIn(line: Buffer, maxSpanBytes: number): Generator<ImportRecord> {
  const stored = storedObject(line);
  if (stored === undefined) yield { kind: "refused", reason: "a line is no JSON object" };
  else if ("resourceSpans" in stored) yield* otlpRecords(line, maxSpanBytes);
  else if (isStoredEvent(stored)) yield eventRecord(line);
  else yield spanRecord(line, stored, maxSpanBytes);
}

function eventRecord(line: Buffer): ImportRecord {
  if (parseEvent(line.toString()) === undefined) return { kind: "refused", reason: "an event has no id or timestamp" };
  return { kind: "event", payload: line, isCut: false };
}

function spanRecord(line: Buffer, stored: Partial<SpanPayload>, maxSpanBytes: number): ImportRecord {
  const fault = identityFault(stored);
  if (fault !== undefined) return { kind: "refused", reason: fault };
  return line.length <= maxSpanBytes
    ? { kind: "span", payload: line, isCut: false }
    : serialised(stored as SpanPayload, maxSpanBytes);
}

function* otlpRecords(line: Buffer, maxSpanBytes: number): Generator<ImportRecord> {
  let spans: JsonSpans;
  try {
    spans = new JsonSpans(line);
  } catch (error) {
    yield { kind: "refused", reason: `a request of OTLP: ${(error as Error).message}` };
    return;
  }
  for (let index = 0; index < spans.count; index++) {
    const source = spans.at(index);
    const fault = "fault" in source ? source.fault : identityFault(source.span);
    if (fault !== undefined || "fault" in source) yield { kind: "refused", reason: fault ?? "it is no span" };
    else yield serialised(payloadOf(source), maxSpanBytes);
  }
}

function serialised(payload: SpanPayload, maxSpanBytes: number): ImportRecord {
  const { text, truncated } = serialise(payload, maxSpanBytes);
  return { kind: "span", payload: Buffer.from(text), isCut: truncated };
}

/** Lines without their ends, each in memory of its own; undefined: one that is too long. */
function* linesOf(file: string, onBytes: (bytes: number) => void): Generator<Buffer | undefined> {
  const descriptor = openSync(file, "r");
  try {
    let parts: Buffer[] = [];
    let partBytes = 0;
    let total = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      const bytes = readSync(descriptor, chunk);
      onBytes((total += bytes));
      let from = 0;
      for (let at = chunk.indexOf(newline); at >= 0 && at < bytes; at = chunk.indexOf(newline, from)) {
        yield partBytes > maxLineBytes ? undefined : trimmed(Buffer.concat([...parts, chunk.subarray(from, at)]));
        parts = [];
        partBytes = 0;
        from = at + 1;
      }
      if (from < bytes) {
        partBytes += bytes - from;
        if (partBytes > maxLineBytes) parts = [];
        else parts.push(chunk.subarray(from, bytes));
      }
      if (bytes > 0) continue;
      if (partBytes > 0) yield partBytes > maxLineBytes ? undefined : trimmed(Buffer.concat(parts));
      return;
    }
  } finally {
    closeSync(descriptor);
  }
}

const blanks = new Set([0x20, 0x09, 0x0d]);

function trimmed(line: Buffer): Buffer {
  let to = line.length;
  while (to > 0 && blanks.has(line[to - 1] as number)) to--;
  return line.subarray(0, to);
}
