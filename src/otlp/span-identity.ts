/** What a span must say of itself for Langfuse to store it at all: without it OTLP's whole request is refused. */

/** Hex digits in either case. An id of zeros is OpenTelemetry's "none". */
const traceIdPattern = /^(?!0{32})[0-9a-f]{32}$/i;
const spanIdPattern = /^(?!0{16})[0-9a-f]{16}$/i;

/** OTLP has 64 bits for nanoseconds, and JavaScript's dates end far behind that. */
const latestUnixNano = 2n ** 64n - 1n;
const mostDigits = 20;

/** One line that says what is missing or wrong; undefined: nothing. */
export function identityFault(span: {
  readonly traceId?: unknown;
  readonly spanId?: unknown;
  readonly startTimeUnixNano?: unknown;
  readonly endTimeUnixNano?: unknown;
}): string | undefined {
  if (!isTraceId(span.traceId)) return "traceId is not 32 hex digits";
  if (!isSpanId(span.spanId)) return "spanId is not 16 hex digits";
  if (!isUnixNano(span.startTimeUnixNano)) return "no startTimeUnixNano";
  return isUnixNano(span.endTimeUnixNano) ? undefined : "no endTimeUnixNano";
}

export function isTraceId(value: unknown): value is string {
  return typeof value === "string" && traceIdPattern.test(value);
}

export function isSpanId(value: unknown): value is string {
  return typeof value === "string" && spanIdPattern.test(value);
}

function isUnixNano(value: unknown): value is string {
  if (typeof value !== "string" || !/^\d{1,20}$/.test(value)) return false;
  return value.length < mostDigits || BigInt(value) <= latestUnixNano;
}
