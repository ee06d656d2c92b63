/** What requests say, to be compared whatever form they have and whichever way they were made. */
import type { StoredBatch } from "../../src/export/stored-batch.ts";
import { decodeOtlpRequest } from "../../src/otlp/decode-protobuf.ts";
import { type OtlpAnyValue, type OtlpKeyValue, plainAttributes } from "../../src/otlp/otlp-shape.ts";

interface AnySpan {
  attributes?: readonly { key: string }[];
  events?: readonly { attributes?: unknown }[];
  links?: readonly { attributes?: unknown }[];
  status?: { code?: unknown; message?: unknown };
}

/** What protobuf has no word for, numbers as texts and odd base64, as it says them. */
function inProtobuf(value: OtlpAnyValue): OtlpAnyValue {
  const { intValue, doubleValue, arrayValue, kvlistValue, bytesValue } = value;
  if (value.stringValue !== undefined) return value;
  // Also of what a client took for one.
  if (value.boolValue !== undefined) return { boolValue: Boolean(value.boolValue as unknown) };
  if (typeof (intValue ?? doubleValue) === "string") return { stringValue: String(intValue ?? doubleValue) };
  if (intValue !== undefined || doubleValue !== undefined) return value;
  if (arrayValue !== undefined) return { arrayValue: { values: (arrayValue.values ?? []).map(inProtobuf) } };
  if (kvlistValue !== undefined) return { kvlistValue: { values: attributesInProtobuf(kvlistValue.values) } };
  return bytesValue === undefined ? {} : { bytesValue: Buffer.from(bytesValue, "base64").toString("base64") };
}

function attributesInProtobuf(attributes: readonly OtlpKeyValue[] = []): OtlpKeyValue[] {
  return attributes.map(({ key: name, value: one }) => ({ key: name, value: inProtobuf(one) }));
}

/** The longer way's request, or a part of it, as protobuf will say it. */
export function saidInProtobuf<Part>(part: Part): Part {
  if (typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) return part.map(saidInProtobuf) as Part;
  const members = Object.entries(part).map(([name, inside]) => [
    name,
    name === "attributes" ? attributesInProtobuf(inside as OtlpKeyValue[]) : saidInProtobuf(inside as unknown),
  ]);
  return Object.fromEntries(members) as Part;
}

/** What a request says, word by word, but for the order of the spans' attributes. */
export function exactly({ resourceSpans }: { resourceSpans?: readonly unknown[] }): unknown {
  return JSON.parse(JSON.stringify(resourceSpans), (name, inside: unknown) =>
    name === "spans" ? (inside as AnySpan[]).map((one) => ({ ...one, attributes: sorted(one.attributes) })) : inside,
  );
}

function sorted(attributes: readonly unknown[] = []): unknown[] {
  return attributes.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** What a request says, whatever its form and the order of its attributes. */
export function meaning(request: { resourceSpans?: readonly unknown[] }): unknown {
  const resourceSpans = (request.resourceSpans ?? []) as {
    resource?: { attributes?: [] };
    scopeSpans: { scope?: { name?: string; version?: string; attributes?: [] }; spans: AnySpan[] }[];
  }[];
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((one) => ({
        ...one,
        parentSpanId: (one as { parentSpanId?: string }).parentSpanId ?? "",
        traceState: (one as { traceState?: string }).traceState ?? "",
        attributes: plainAttributes(one.attributes as []),
        keys: (one.attributes ?? []).map((attribute) => attribute.key).sort(),
        events: (one.events ?? []).map((event) => ({ ...event, attributes: plainAttributes(event.attributes as []) })),
        links: (one.links ?? []).map((link) => ({
          traceState: "",
          ...link,
          attributes: plainAttributes(link.attributes as []),
        })),
        status: { code: one.status?.code ?? 0, message: one.status?.message ?? "" },
        resource: plainAttributes(resource?.attributes),
        scope: { name: scope?.name, version: scope?.version ?? "", attributes: plainAttributes(scope?.attributes) },
      })),
    ),
  );
}

/** Which fields of a message are messages themselves. */
interface Shape {
  [field: number]: Shape;
}
const anyValue: Shape = {};
const keyValue: Shape = { 2: anyValue };
anyValue[5] = { 1: anyValue };
anyValue[6] = { 1: keyValue };
const requestShape: Shape = {
  1: {
    1: { 1: keyValue },
    2: { 1: { 3: keyValue }, 2: { 9: keyValue, 11: { 3: keyValue }, 13: { 4: keyValue }, 15: {} } },
  },
};

/** Decoders forgive a length that is wrong by a little; the next one may not. @throws when a part does not fit. */
function expectExact(bytes: Buffer, shape: Shape): void {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++] ?? 255;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
      if (shift > 2 ** 56) throw new RangeError("a number that does not end");
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) === 0) varint();
    else if ((tag & 7) === 1) at += 8;
    else if ((tag & 7) === 2) {
      const length = varint();
      const inside = shape[tag >>> 3];
      if (inside !== undefined) expectExact(bytes.subarray(at, at + length), inside);
      at += length;
    } else throw new RangeError(`wire type ${tag & 7}`);
  }
  if (at !== bytes.length) throw new RangeError(`${at - bytes.length} bytes too long`);
}

export function decodedExactly(batch: StoredBatch): { resourceSpans?: readonly unknown[] } {
  const bytes = batch.protobufRequest();
  expectExact(bytes, requestShape);
  return decodeOtlpRequest(bytes);
}

export function byName(request: { resourceSpans?: readonly unknown[] }): unknown {
  return (meaning(request) as { name: string }[]).toSorted((a, b) => a.name.localeCompare(b.name));
}
