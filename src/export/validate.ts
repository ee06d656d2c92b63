/**
 * From a stored text to its payload, without those that Langfuse could never store. OTLP refuses a whole request for one
 * span without an id, so such a span is found here, where it costs no request and harms no neighbour.
 */
import type { SpanPayload } from "../buffer/span-payload.ts";
import { isRecord } from "./attribute-values.ts";

export type Validated = { payload: SpanPayload; reason?: never } | { payload?: never; reason: string };

/** An escape of a lone surrogate, or of one half of a pair: only such texts need the slower parse. */
const surrogateEscape = /\\ud[89a-f]/i;
/** OTLP has 64 bits for nanoseconds, and JavaScript's dates end far behind that. */
const latestUnixNano = 2n ** 64n - 1n;

/** Never throws. */
export function validatePayload(text: string): Validated {
  let span: unknown;
  try {
    span = surrogateEscape.test(text) ? JSON.parse(text, wellFormed) : JSON.parse(text);
  } catch {
    return { reason: "invalid span: its stored form is not JSON" };
  }
  if (!isRecord(span)) return { reason: "invalid span: its stored form is no object" };
  const traceId = idOf(span["traceId"], 32);
  if (traceId === undefined) return { reason: "invalid span: traceId is not 32 hex digits" };
  const spanId = idOf(span["spanId"], 16);
  if (spanId === undefined) return { reason: "invalid span: spanId is not 16 hex digits" };
  if (!isUnixNano(span["startTimeUnixNano"])) return { reason: "invalid span: no startTimeUnixNano" };
  if (!isUnixNano(span["endTimeUnixNano"])) return { reason: "invalid span: no endTimeUnixNano" };
  return { payload: repaired(span, traceId, spanId) };
}

/** What is not needed to store the span is dropped where it has no shape that can be sent. */
function repaired(span: Record<string, unknown>, traceId: string, spanId: string): SpanPayload {
  const { parentSpanId, trace, status, resource, scope, name, kind, ...rest } = span;
  const parent = idOf(parentSpanId, 16);
  return {
    ...rest,
    traceId,
    spanId,
    ...(parent === undefined ? {} : { parentSpanId: parent }),
    name: typeof name === "string" ? name : "",
    startTimeUnixNano: String(span["startTimeUnixNano"]),
    endTimeUnixNano: String(span["endTimeUnixNano"]),
    ...(Number.isInteger(kind) ? { kind } : {}),
    ...(isRecord(trace) ? { trace } : {}),
    ...(isRecord(status) ? { status } : {}),
    ...(isRecord(resource) ? { resource } : {}),
    ...(isRecord(scope) ? { scope } : {}),
    ...records("events", rest["events"]),
    ...records("links", rest["links"]),
  } as unknown as SpanPayload;
}

/** An entry that is no object would make the server refuse the request. */
function records(field: string, value: unknown): Record<string, unknown> {
  return Array.isArray(value) ? { [field]: value.filter(isRecord) } : { [field]: undefined };
}

/** Langfuse wants lower case; an id of zeros is OpenTelemetry's "none". */
function idOf(value: unknown, digits: number): string | undefined {
  if (typeof value !== "string" || value.length !== digits || !/^[0-9a-f]+$/i.test(value)) return undefined;
  return /^0+$/.test(value) ? undefined : value.toLowerCase();
}

function isUnixNano(value: unknown): boolean {
  return typeof value === "string" && /^\d{1,20}$/.test(value) && BigInt(value) <= latestUnixNano;
}

/** A lone surrogate cannot be stored as UTF-8: Langfuse 2 answers 500 to it, every time. */
function wellFormed(_key: string, value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (!isRecord(value) || Object.keys(value).every((key) => key.isWellFormed())) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key.toWellFormed(), part]));
}
