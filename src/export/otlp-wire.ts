/**
 * OTLP's protobuf form (opentelemetry-proto 1.x: trace/v1/trace.proto and common/v1/common.proto), as far as a request
 * with spans needs it: the tags, each `field number << 3 | wire type`. All of them are one byte.
 */

/** In `ExportTraceServiceRequest`. */
export const resourceSpansTag = 0x0a;
export const inResourceSpans = { resource: 0x0a, scopeSpans: 0x12 } as const;
export const inScopeSpans = { scope: 0x0a, spans: 0x12 } as const;
export const inResource = { attributes: 0x0a } as const;
export const inScope = { name: 0x0a, version: 0x12, attributes: 0x1a } as const;

export const inSpan = {
  traceId: 0x0a,
  spanId: 0x12,
  traceState: 0x1a,
  parentSpanId: 0x22,
  name: 0x2a,
  kind: 0x30,
  startTimeUnixNano: 0x39,
  endTimeUnixNano: 0x41,
  attributes: 0x4a,
  droppedAttributesCount: 0x50,
  events: 0x5a,
  droppedEventsCount: 0x60,
  links: 0x6a,
  droppedLinksCount: 0x70,
  status: 0x7a,
} as const;

export const inEvent = { timeUnixNano: 0x09, name: 0x12, attributes: 0x1a, droppedAttributesCount: 0x20 } as const;
export const inLink = {
  traceId: 0x0a,
  spanId: 0x12,
  traceState: 0x1a,
  attributes: 0x22,
  droppedAttributesCount: 0x28,
} as const;
export const inStatus = { message: 0x12, code: 0x18 } as const;
export const inKeyValue = { key: 0x0a, value: 0x12 } as const;
/** In `ArrayValue` and `KeyValueList`. */
export const valuesTag = 0x0a;

export const inAnyValue = {
  string: 0x0a,
  bool: 0x10,
  int: 0x18,
  double: 0x21,
  array: 0x2a,
  kvlist: 0x32,
  bytes: 0x3a,
} as const;
