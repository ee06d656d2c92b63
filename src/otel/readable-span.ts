/**
 * From a finished span of OpenTelemetry's SDK (`ReadableSpan`) to its stored form. Runs on the caller's thread for every
 * span: nothing is copied that is serialised right afterwards anyway, and what is empty is left out.
 */
import { type Attributes, type HrTime, type Link, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan, TimedEvent } from "@opentelemetry/sdk-trace-base";
import type { PayloadEvent, PayloadLink, SpanPayload } from "../buffer/span-payload.ts";

type Scope = ReadableSpan["instrumentationScope"];

/** The span alone; resource and scope, which many spans share, are `surroundingsOf`. */
export function payloadOf(span: ReadableSpan): SpanPayload {
  const { traceId, spanId, traceState } = span.spanContext();
  const { events, links, status, kind } = span;
  // One literal with every field: objects of one shape are quickest to make and to serialise; JSON has no `undefined`.
  const payload: { [Name in keyof SpanPayload]: SpanPayload[Name] | undefined } = {
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId || undefined,
    traceState: traceState?.serialize() || undefined,
    name: span.name,
    // The API counts from 0, "internal", which is what a stored span without a kind is; OTLP has 0 for "unspecified".
    kind: kind === SpanKind.INTERNAL ? undefined : kind + 1,
    startTimeUnixNano: unixNano(span.startTime),
    endTimeUnixNano: unixNano(span.endTime),
    attributes: span.attributes,
    events: events.length === 0 ? undefined : events.map(eventOf),
    links: links.length === 0 ? undefined : links.map(linkOf),
    droppedAttributesCount: span.droppedAttributesCount || undefined,
    droppedEventsCount: span.droppedEventsCount || undefined,
    droppedLinksCount: span.droppedLinksCount || undefined,
    status: status.code === SpanStatusCode.UNSET && !status.message ? undefined : status,
  };
  return payload as SpanPayload;
}

/** What stands around the span, as far as Langfuse reads it. */
export function surroundingsOf({
  resource,
  instrumentationScope,
}: ReadableSpan): Pick<SpanPayload, "resource" | "scope"> {
  // The specification's attributes of a scope are not yet among the SDK's types.
  const { name, version, attributes } = instrumentationScope as Scope & { attributes?: Attributes };
  return {
    resource: { attributes: resource.attributes },
    scope: {
      name,
      ...(version ? { version } : {}),
      ...(attributes === undefined ? {} : { attributes }),
    },
  };
}

function eventOf({ name, time, attributes, droppedAttributesCount }: TimedEvent): PayloadEvent {
  const event: { [Name in keyof PayloadEvent]: PayloadEvent[Name] | undefined } = {
    name,
    timeUnixNano: unixNano(time),
    attributes,
    droppedAttributesCount: droppedAttributesCount || undefined,
  };
  return event as PayloadEvent;
}

function linkOf({ context, attributes, droppedAttributesCount }: Link): PayloadLink {
  const link: { [Name in keyof PayloadLink]: PayloadLink[Name] | undefined } = {
    traceId: context.traceId,
    spanId: context.spanId,
    traceState: context.traceState?.serialize() || undefined,
    attributes,
    droppedAttributesCount: droppedAttributesCount || undefined,
  };
  return link as PayloadLink;
}

/** The last second that was asked for, as text: a busy program's spans share them, and numbers are slow to print. */
let lastSecond = -1;
let lastSecondText = "";

/** Nanoseconds since 1970, decimal, from seconds and nanoseconds. */
function unixNano([seconds, nanos]: HrTime): string {
  // Before 1970, or no whole numbers: as they are. The export says what is wrong with them.
  if (!(seconds > 0 && Number.isInteger(seconds) && nanos >= 0 && nanos < 1e9)) return oddUnixNano(seconds, nanos);
  if (seconds !== lastSecond) {
    lastSecond = seconds;
    lastSecondText = String(seconds);
  }
  return lastSecondText + String(1_000_000_000 + Math.trunc(nanos)).slice(1);
}

function oddUnixNano(seconds: number, nanos: number): string {
  const isNumber = Number.isFinite(seconds) && Number.isFinite(nanos);
  return isNumber
    ? String(BigInt(Math.trunc(seconds)) * 1_000_000_000n + BigInt(Math.trunc(nanos)))
    : `${seconds},${nanos}`;
}
