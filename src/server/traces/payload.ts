/** From a span of OTLP to its stored form: nothing is looked up or renamed, attributes stay the list that they are. */
import type { PayloadLink, SpanPayload } from "../../buffer/span-payload.ts";
import type { OtlpSpan } from "../../otlp/otlp-shape.ts";
import { isSpanId, isTraceId } from "../../otlp/span-identity.ts";
import type { SourceSpan } from "../../otlp/span-source.ts";

/** Protobuf has these enumerations in one byte, and no OTLP version has more than a handful of values. */
const largestEnumeration = 127;

const noTraceId = "0".repeat(32);
const noSpanId = "0".repeat(16);

/**
 * Resource and scope go along as they are, one object for all spans that share it. A kind that is absent is OTLP's 0,
 * unspecified. Flags and schema URLs are left behind: Langfuse does not read them.
 *
 * @param source of which `identityFault` says nothing.
 */
export function payloadOf({ span, resource, scope }: SourceSpan): SpanPayload {
  const { traceId = "", spanId = "", parentSpanId, traceState, events, links } = span;
  // One literal with every field: objects of one shape are quickest to make and to serialise; JSON has no `undefined`.
  const payload: { [Name in keyof SpanPayload]: SpanPayload[Name] | undefined } = {
    traceId: traceId.toLowerCase(),
    spanId: spanId.toLowerCase(),
    parentSpanId: isSpanId(parentSpanId) ? parentSpanId.toLowerCase() : undefined,
    traceState: traceState === "" ? undefined : traceState,
    name: span.name,
    kind: enumeration(span.kind),
    startTimeUnixNano: span.startTimeUnixNano as string,
    endTimeUnixNano: span.endTimeUnixNano as string,
    attributes: span.attributes,
    events: events === undefined || events.length === 0 ? undefined : (events as SpanPayload["events"]),
    links: links === undefined || links.length === 0 ? undefined : links.map(linkOf),
    // 0 is the same as absent.
    droppedAttributesCount: span.droppedAttributesCount || undefined,
    droppedEventsCount: span.droppedEventsCount || undefined,
    droppedLinksCount: span.droppedLinksCount || undefined,
    status: statusOf(span.status),
    resource,
    scope,
  };
  return payload as SpanPayload;
}

/** A link to nowhere may still say something by its attributes. */
function linkOf(link: NonNullable<OtlpSpan["links"]>[number]): PayloadLink {
  const { traceId, spanId, traceState, attributes, droppedAttributesCount } = link;
  return {
    traceId: isTraceId(traceId) ? traceId.toLowerCase() : noTraceId,
    spanId: isSpanId(spanId) ? spanId.toLowerCase() : noSpanId,
    ...(traceState === undefined || traceState === "" ? {} : { traceState }),
    ...(attributes === undefined || attributes.length === 0 ? {} : { attributes }),
    ...(droppedAttributesCount ? { droppedAttributesCount } : {}),
  };
}

function statusOf(status: OtlpSpan["status"]): SpanPayload["status"] {
  const code = enumeration(status?.code);
  const { message = "" } = status ?? {};
  if (message !== "") return { code, message };
  return code === 0 ? undefined : { code };
}

function enumeration(value: number | undefined): number {
  const isOne = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= largestEnumeration;
  return isOne ? (value as number) : 0;
}
