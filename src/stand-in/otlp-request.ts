/** What Langfuse asks of an OTLP request. One span that breaks a rule makes it refuse the whole request. */
import type { OtlpKeyValue, OtlpRequest, OtlpResourceSpans, OtlpScopeSpans, OtlpSpan } from "../otlp/otlp-shape.ts";

/** Spans that carry this attribute (ingestion: metadata key) are refused, for tests and the demo. */
export const poisonKey = "stand-in.poison";

export interface ReceivedSpan {
  span: OtlpSpan & { traceId: string; spanId: string };
  resource: OtlpResourceSpans["resource"];
  scope: OtlpScopeSpans["scope"];
}

/** The spans of a request, or why it is refused. */
export function readOtlpRequest(request: OtlpRequest): ReceivedSpan[] | { error: string } {
  const received: ReceivedSpan[] = [];
  if (!isListOrAbsent(request?.resourceSpans)) return { error: "resourceSpans must be an array" };
  for (const { resource, scopeSpans } of request.resourceSpans ?? []) {
    if (!isListOrAbsent(scopeSpans)) return { error: "scopeSpans must be an array" };
    for (const { scope, spans } of scopeSpans ?? []) {
      if (!isListOrAbsent(spans)) return { error: "spans must be an array" };
      for (const span of spans ?? []) {
        const error = faultOf(span);
        if (error !== undefined) return { error };
        received.push({ span: span as ReceivedSpan["span"], resource, scope });
      }
    }
  }
  return received;
}

function faultOf(span: OtlpSpan): string | undefined {
  if (!/^[0-9a-f]{32}$/.test(span.traceId ?? "")) return "span without a valid traceId (32 lowercase hex digits)";
  if (!/^[0-9a-f]{16}$/.test(span.spanId ?? "")) return "span without a valid spanId (16 lowercase hex digits)";
  if (!isListOrAbsent(span.attributes)) return `attributes of span ${span.spanId} must be an array`;
  if (!isListOrAbsent(span.events)) return `events of span ${span.spanId} must be an array`;
  if (!/^\d{1,20}$/.test(String(span.startTimeUnixNano))) return `span ${span.spanId} has no valid startTimeUnixNano`;
  if (!/^\d{1,20}$/.test(String(span.endTimeUnixNano))) return `span ${span.spanId} has no valid endTimeUnixNano`;
  return span.attributes?.some(isPoison) === true ? `span ${span.spanId} is poison` : undefined;
}

function isPoison({ key }: OtlpKeyValue): boolean {
  return key === poisonKey;
}

function isListOrAbsent(value: unknown): boolean {
  return value === undefined || Array.isArray(value);
}
