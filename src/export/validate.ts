/**
 * From a stored text to its payload, without those that Langfuse could never store. OTLP refuses a whole request for one
 * span without an id, so such a span is found here, where it costs no request and harms no neighbour.
 */
import type { SpanPayload } from "../buffer/span-payload.ts";
import { identityFault, isSpanId } from "../otlp/span-identity.ts";
import { isRecord } from "./attribute-values.ts";

export type Validated = { payload: SpanPayload; reason?: never } | { payload?: never; reason: string };

/** An escape of a lone surrogate, or of one half of a pair: only such texts need the slower parse. */
const surrogateEscape = /\\ud[89a-f]/i;

/** Never throws. */
export function validatePayload(text: string): Validated {
  let span: unknown;
  try {
    span = surrogateEscape.test(text) ? JSON.parse(text, wellFormed) : JSON.parse(text);
  } catch {
    return { reason: "invalid span: its stored form is not JSON" };
  }
  if (!isRecord(span)) return { reason: "invalid span: its stored form is no object" };
  const fault = identityFault(span);
  return fault === undefined ? { payload: repaired(span) } : { reason: `invalid span: ${fault}` };
}

/** What is not needed to store the span is dropped where it has no shape that can be sent. */
function repaired(span: Record<string, unknown>): SpanPayload {
  const { traceId, spanId, parentSpanId, trace, status, resource, scope, name, kind, ...rest } = span;
  return {
    ...rest,
    // Langfuse wants lower case.
    traceId: String(traceId).toLowerCase(),
    spanId: String(spanId).toLowerCase(),
    ...(isSpanId(parentSpanId) ? { parentSpanId: parentSpanId.toLowerCase() } : {}),
    name: typeof name === "string" ? name : "",
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

/** A lone surrogate cannot be stored as UTF-8: Langfuse 2 answers 500 to it, every time. */
function wellFormed(_key: string, value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (!isRecord(value) || Object.keys(value).every((key) => key.isWellFormed())) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key.toWellFormed(), part]));
}
