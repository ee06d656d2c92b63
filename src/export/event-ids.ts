/**
 * Langfuse's old SDKs name traces and observations by any text, mostly UUIDs; OTLP wants 32 and 16 hex digits. The same
 * text always becomes the same id, in every process, so that parents and scores find what they belong to:
 *
 * - a trace: what has 32 hex digits stays; a UUID loses its dashes; anything else becomes the beginning of its SHA-256;
 * - an observation: what has 16 hex digits stays; anything else (a UUID too) becomes the beginning of its SHA-256.
 */
import { hash } from "node:crypto";

const traceIdDigits = 32;
const spanIdDigits = 16;

export function traceIdOf(id: string): string {
  const plain = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) ? id.replaceAll("-", "") : id;
  return hexIdOf(plain, traceIdDigits) ?? digest("trace", id, traceIdDigits);
}

export function spanIdOf(id: string): string {
  return hexIdOf(id, spanIdDigits) ?? digest("observation", id, spanIdDigits);
}

/** Of the span that stands for a trace itself. */
export function traceSpanIdOf(traceId: string): string {
  return digest("span of trace", traceId, spanIdDigits);
}

/** Zeros alone are OpenTelemetry's "none". */
function hexIdOf(id: string, digits: number): string | undefined {
  const isHex = id.length === digits && /^[0-9a-f]+$/i.test(id) && !/^0+$/.test(id);
  return isHex ? id.toLowerCase() : undefined;
}

/** What the text names is part of it: a trace and an observation of one name are not one. */
function digest(what: string, id: string, digits: number): string {
  return hash("sha256", `${what} ${id}`).slice(0, digits);
}
