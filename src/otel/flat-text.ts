/**
 * From a finished span of OpenTelemetry's SDK to its flat form (../buffer/flat-span.ts), the quick way for nearly all of them.
 * Runs on the caller's thread for every span. What it does not take (events, links, odd values) goes by readable-span.ts.
 */
import { type HrTime, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { flatJsonMark, flatSeparator } from "../buffer/flat-span.ts";
import { isPlainPrimitive, surrogateEscape } from "../buffer/serialise.ts";

/**
 * Undefined: this one goes the long way. May throw what its getters throw.
 *
 * @param mostUnits of the flat form, in UTF-16 units: what is longer is not looked at any further.
 */
export function flatTextOf(span: ReadableSpan, mostUnits: number): string | undefined {
  const { name, kind, startTime, endTime, parentSpanContext, attributes } = span;
  const { traceId, spanId, traceState } = span.spanContext();
  const more = moreOf(span, mostUnits);
  if (more === undefined || !isUsual(startTime) || !isUsual(endTime)) return undefined;
  const texts = [
    traceId,
    spanId,
    parentSpanContext?.spanId ?? "",
    traceState?.serialize() ?? "",
    name,
    // The API counts from 0, "internal", which is what a stored span without a kind is; OTLP has 0 for "unspecified".
    kind === SpanKind.INTERNAL ? "" : String(kind + 1),
    String(startTime[0]),
    String(startTime[1]),
    String(endTime[0]),
    String(endTime[1]),
    more,
  ];
  let units = 0;
  for (const text of texts) {
    if (typeof text !== "string" || (units += text.length) > mostUnits || text.includes(flatSeparator))
      return undefined;
  }
  for (const key in attributes) {
    const value: unknown = attributes[key];
    if (value === undefined) continue;
    const text = typeof value === "string" ? value : jsonOf(value, mostUnits);
    if (text === undefined || (units += key.length + text.length + 2) > mostUnits) return undefined;
    if (key.includes(flatSeparator) || text.includes(flatSeparator)) return undefined;
    if (text === value && text.startsWith(flatJsonMark)) return undefined;
    texts.push(key, text);
  }
  texts.push("}");
  const flat = texts.join(flatSeparator);
  return flat.isWellFormed() ? flat : undefined;
}

/** Of a number, a boolean, or a list of such and of texts. */
function jsonOf(value: unknown, mostUnits: number): string | undefined {
  if (typeof value !== "object")
    return isPlainPrimitive(value) ? `${flatJsonMark}${value as number | boolean}` : undefined;
  if (!Array.isArray(value) || !isPlainList(value, mostUnits)) return undefined;
  return wellFormed(flatJsonMark + JSON.stringify(value));
}

function isPlainList(list: readonly unknown[], mostUnits: number): boolean {
  let units = list.length;
  for (const part of list) {
    if (typeof part === "string") units += part.length;
    else if (!isPlainPrimitive(part)) return false;
    if (units > mostUnits) return false;
  }
  return true;
}

/** The status; a span with more than that, or with an odd one, goes the long way. */
function moreOf(span: ReadableSpan, mostUnits: number): string | undefined {
  const { status, events, links } = span;
  const { code, message = "" } = status;
  if (events.length > 0 || links.length > 0) return undefined;
  if (span.droppedAttributesCount || span.droppedEventsCount || span.droppedLinksCount) return undefined;
  if (!Number.isInteger(code) || typeof message !== "string" || message.length > mostUnits) return undefined;
  if (code === SpanStatusCode.UNSET && message === "") return "";
  return wellFormed(`,"status":${JSON.stringify({ code, message: status.message })}`);
}

function wellFormed(json: string): string | undefined {
  return json.includes(surrogateEscape) ? undefined : json;
}

/** Whole numbers after 1970. */
function isUsual([seconds, nanos]: HrTime): boolean {
  return seconds > 0 && Number.isSafeInteger(seconds) && Number.isInteger(nanos) && nanos >= 0 && nanos < 1e9;
}
