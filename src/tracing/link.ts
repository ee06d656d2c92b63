import type { PayloadLink } from "../buffer/span-payload.ts";
import { normaliseSpanId, normaliseTraceId } from "./ids.ts";
import type { SpanReference } from "./span-fields.ts";

/** The stored form of a link; undefined: it names no span. May throw what the caller's getters throw. */
export function payloadLink(
  link: SpanReference,
  attributes: Record<string, unknown> | undefined,
): PayloadLink | undefined {
  const [traceId, spanId] = [normaliseTraceId(link.traceId), normaliseSpanId(link.spanId)];
  if (traceId === undefined || spanId === undefined) return undefined;
  const { traceState } = link;
  return {
    traceId,
    spanId,
    ...(traceState === undefined ? {} : { traceState }),
    ...(attributes === undefined ? {} : { attributes }),
  };
}
