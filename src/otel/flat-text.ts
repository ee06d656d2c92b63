/**
 * From a finished span of OpenTelemetry's SDK to its flat form (../buffer/flat-span.ts), the quick way for nearly all of them.
 * Runs on the caller's thread for every span. What it does not take (events, links, odd values) goes by readable-span.ts.
 */
import { type HrTime, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { flatFieldCount, flatJsonMark, flatSeparator } from "../buffer/flat-span.ts";
import { isPlainPrimitive, surrogateEscape } from "../buffer/serialise.ts";

/** Of the span at hand. One list for all of them: a new one would be garbage after each. */
const texts: string[] = [];

/** Undefined: this one goes the long way. May throw what its getters throw. */
export function flatTextOf(span: ReadableSpan): string | undefined {
  const { name, kind, startTime, endTime, parentSpanContext, attributes } = span;
  const { traceId, spanId, traceState } = span.spanContext();
  const more = moreOf(span);
  if (more === undefined || !isUsual(startTime) || !isUsual(endTime)) return undefined;
  texts[0] = traceId;
  texts[1] = spanId;
  texts[2] = parentSpanContext?.spanId ?? "";
  texts[3] = traceState?.serialize() ?? "";
  texts[4] = name;
  for (let index = 0; index < 5; index++) if (!isSeparable(texts[index])) return undefined;
  // The API counts from 0, "internal", which is what a stored span without a kind is; OTLP has 0 for "unspecified".
  texts[5] = kind === SpanKind.INTERNAL ? "" : String(kind + 1);
  texts[6] = String(startTime[0]);
  texts[7] = String(startTime[1]);
  texts[8] = String(endTime[0]);
  texts[9] = String(endTime[1]);
  texts[10] = more;
  let count = flatFieldCount;
  for (const key in attributes) {
    const value: unknown = attributes[key];
    if (value === undefined) continue;
    const text = typeof value === "string" ? textOf(value) : jsonOf(value);
    if (text === undefined || !isSeparable(key)) return undefined;
    texts[count++] = key;
    texts[count++] = text;
  }
  texts[count++] = "}";
  texts.length = count;
  const flat = texts.join(flatSeparator);
  return flat.isWellFormed() ? flat : undefined;
}

function isSeparable(text: unknown): boolean {
  return typeof text === "string" && !text.includes(flatSeparator);
}

function textOf(value: string): string | undefined {
  return value.includes(flatSeparator) || value.startsWith(flatJsonMark) ? undefined : value;
}

/** Of a number, a boolean, or a list of such and of texts. */
function jsonOf(value: unknown): string | undefined {
  if (typeof value !== "object") return isPlainPrimitive(value) ? flatJsonMark + String(value) : undefined;
  if (!Array.isArray(value) || !value.every((part) => typeof part === "string" || isPlainPrimitive(part)))
    return undefined;
  return wellFormed(flatJsonMark + JSON.stringify(value));
}

/** The status; a span with more than that goes the long way. */
function moreOf(span: ReadableSpan): string | undefined {
  const { status, events, links } = span;
  if (events.length > 0 || links.length > 0) return undefined;
  if (span.droppedAttributesCount || span.droppedEventsCount || span.droppedLinksCount) return undefined;
  if (status.code === SpanStatusCode.UNSET && !status.message) return "";
  return wellFormed(`,"status":${JSON.stringify(status)}`);
}

function wellFormed(json: string): string | undefined {
  return json.includes(surrogateEscape) ? undefined : json;
}

/** Whole numbers after 1970. */
function isUsual([seconds, nanos]: HrTime): boolean {
  return seconds > 0 && Number.isSafeInteger(seconds) && Number.isInteger(nanos) && nanos >= 0 && nanos < 1e9;
}
