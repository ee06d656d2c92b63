/**
 * OTLP's attribute values in JSON (opentelemetry-proto, common/v1 `AnyValue` and `KeyValue`) from plain values, and
 * back.
 *
 * Integers: protobuf's JSON form writes 64-bit integers as strings and lets readers take numbers too. Langfuse's reader
 * takes numbers only (a string becomes NaN, and a prompt version of NaN costs the whole span), and has no good word for
 * an integer 0. So integers are written as numbers, 0 as a double, also where they came as strings; only one that a
 * JavaScript number cannot hold stays a string. NaN and the infinities are strings, as the specification has it.
 */
export interface OtlpValue {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: number | string;
  doubleValue?: number | string;
  arrayValue?: { values: OtlpValue[] };
  kvlistValue?: { values: OtlpKeyValue[] };
}

export interface OtlpKeyValue {
  key: string;
  value: OtlpValue;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A plain JSON value as an attribute's value. Null is OTLP's empty value. */
export function toOtlpValue(value: unknown): OtlpValue {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") {
    if (Number.isSafeInteger(value) && value !== 0) return { intValue: value };
    return { doubleValue: Number.isFinite(value) ? value : String(value) };
  }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(toOtlpValue) } };
  if (isRecord(value)) return { kvlistValue: { values: toKeyValues(value) } };
  return {};
}

/**
 * A payload's attributes as OTLP has them. Those that came in OTLP's own form pass through as they are, but for
 * entries without a key, which would make the server refuse the whole request. Null is "not set" and left out.
 */
export function toKeyValues(attributes: unknown): OtlpKeyValue[] {
  if (Array.isArray(attributes)) {
    return attributes.filter(isKeyValue).map((keyValue) => ({ ...keyValue, value: readableValue(keyValue.value) }));
  }
  if (!isRecord(attributes)) return [];
  const keyValues: OtlpKeyValue[] = [];
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) keyValues.push({ key, value: toOtlpValue(value) });
  }
  return keyValues;
}

/** The value with its integers as numbers, where they fit. */
export function readableValue(value: OtlpValue | string): OtlpValue {
  // Where a span was too large, a text in the place of a value says what was left out.
  if (typeof value === "string") return { stringValue: value };
  if (value.intValue !== undefined) {
    const plain = toPlainNumber(value.intValue);
    return typeof plain === "number" ? toOtlpValue(plain) : value;
  }
  const { arrayValue, kvlistValue } = value;
  if (Array.isArray(arrayValue?.values)) return { arrayValue: { values: arrayValue.values.map(readableValue) } };
  if (Array.isArray(kvlistValue?.values)) return { kvlistValue: { values: toKeyValues(kvlistValue.values) } };
  return value;
}

function isKeyValue(entry: unknown): entry is OtlpKeyValue {
  return isRecord(entry) && typeof entry["key"] === "string" && isRecord(entry["value"]);
}

/** A payload's attributes, in whichever form, as key and plain value. */
export function toPlainAttributes(attributes: unknown): Map<string, unknown> {
  const plain = new Map<string, unknown>();
  if (Array.isArray(attributes)) {
    for (const entry of attributes) if (isKeyValue(entry)) plain.set(entry.key, toPlainValue(entry.value));
  } else if (isRecord(attributes)) {
    for (const [key, value] of Object.entries(attributes)) plain.set(key, value);
  }
  return plain;
}

function toPlainValue(value: OtlpValue | string): unknown {
  if (typeof value === "string") return value;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) return toPlainNumber(value.intValue);
  if (value.doubleValue !== undefined) return toPlainNumber(value.doubleValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(toPlainValue);
  if (value.kvlistValue !== undefined) return Object.fromEntries(toPlainAttributes(value.kvlistValue.values ?? []));
  return (value as { bytesValue?: string }).bytesValue ?? null;
}

/** A number that JavaScript cannot hold, or JSON cannot write, stays the text it is. */
function toPlainNumber(value: number | string): number | string {
  const number = Number(value);
  const isExact = Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number));
  return isExact ? number : String(value);
}
