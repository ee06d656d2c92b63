/**
 * Attributes and their values in OTLP's JSON encoding (protobuf's JSON mapping with hex ids), made sound: everything has
 * the type that its name says. Nothing is lost: what is no value of OTLP's becomes the text of itself.
 */
import type { OtlpAnyValue, OtlpKeyValue } from "./otlp-shape.ts";
import { deepestValue, maxSpanParts, TooManyParts, tooDeep } from "./span-limits.ts";

/** How the specification writes doubles that JSON has no numbers for. */
const namedDoubles: ReadonlySet<unknown> = new Set(["NaN", "Infinity", "-Infinity"]);

/** Parts that one span has so far. */
export interface PartCount {
  parts: number;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Absent and null are the same in protobuf's JSON. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** @throws when there are too many. Entries without a key are none. */
export function soundAttributes(list: unknown, count: PartCount, depth = 0): OtlpKeyValue[] {
  const attributes: OtlpKeyValue[] = [];
  if (!Array.isArray(list)) return attributes;
  for (const entry of list as unknown[]) {
    countPart(count);
    if (!isRecord(entry)) continue;
    const key = entry["key"];
    if (typeof key === "string") attributes.push({ key, value: soundValue(entry["value"], count, depth) });
  }
  return attributes;
}

export function countPart(count: PartCount): void {
  if (++count.parts > maxSpanParts) throw new TooManyParts();
}

function soundValue(value: unknown, count: PartCount, depth: number): OtlpAnyValue {
  if (isAbsent(value)) return {};
  if (!isRecord(value)) return asText(value);
  const text = value["stringValue"];
  if (typeof text === "string") return { stringValue: text };
  const { boolValue, intValue, doubleValue, arrayValue, kvlistValue, bytesValue } = value as Record<
    keyof OtlpAnyValue,
    unknown
  >;
  if (typeof boolValue === "boolean") return { boolValue };
  if (!isAbsent(intValue)) return isInteger(intValue) ? { intValue: String(intValue) } : asText(intValue);
  if (!isAbsent(doubleValue)) return isDouble(doubleValue) ? { doubleValue } : asText(doubleValue);
  if (!isAbsent(arrayValue)) return soundArray(arrayValue, count, depth + 1);
  if (!isAbsent(kvlistValue)) return soundList(kvlistValue, count, depth + 1);
  if (typeof bytesValue === "string") return { bytesValue };
  return Object.keys(value).every((key) => isAbsent(value[key])) ? {} : asText(value);
}

function soundArray(array: unknown, count: PartCount, depth: number): OtlpAnyValue {
  const list = valuesOf(array);
  if (list === undefined) return asText(array);
  if (depth > deepestValue) return { stringValue: tooDeep };
  const values: OtlpAnyValue[] = [];
  for (const value of list) {
    countPart(count);
    values.push(soundValue(value, count, depth));
  }
  return { arrayValue: { values } };
}

function soundList(list: unknown, count: PartCount, depth: number): OtlpAnyValue {
  const values = valuesOf(list);
  if (values === undefined) return asText(list);
  if (depth > deepestValue) return { stringValue: tooDeep };
  return { kvlistValue: { values: soundAttributes(values, count, depth) } };
}

function valuesOf(list: unknown): unknown[] | undefined {
  if (!isRecord(list)) return undefined;
  const values = list["values"];
  if (isAbsent(values)) return [];
  return Array.isArray(values) ? (values as unknown[]) : undefined;
}

function isInteger(value: unknown): value is number | string {
  if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) < 2 ** 64;
  return typeof value === "string" && /^-?\d{1,20}$/.test(value);
}

function isDouble(value: unknown): value is number | string {
  if (typeof value === "number") return Number.isFinite(value);
  return (
    typeof value === "string" && (namedDoubles.has(value) || (value.trim() !== "" && Number.isFinite(Number(value))))
  );
}

function asText(value: unknown): OtlpAnyValue {
  if (typeof value === "string") return { stringValue: value };
  // Written with an exponent beyond what a number can hold, it was read as infinite.
  if (typeof value === "number") return { stringValue: String(value) };
  try {
    return { stringValue: JSON.stringify(value) };
  } catch {
    // Nested beyond what JSON can be made of.
    return { stringValue: tooDeep };
  }
}
