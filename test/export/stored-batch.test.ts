/**
 * The short way to a request (places in the stored bytes) against the longer one (parsed, mended, cleaned): whatever
 * the short way takes, both must make the same of it. The protobuf is read by the stand-in's decoder, which shares
 * nothing with the writer.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { observationLevels, observationTypes, type SpanPayload } from "../../src/buffer/span-payload.ts";
import { envelopedSpan, type OtlpRequest, otlpRequest } from "../../src/export/otlp.ts";
import { ProtobufRequest } from "../../src/export/protobuf-request.ts";
import { SpanScanner } from "../../src/export/span-scanner.ts";
import { StoredBatch } from "../../src/export/stored-batch.ts";
import { WireWriter } from "../../src/export/wire-writer.ts";
import { decodeOtlpRequest } from "../../src/otlp/decode-protobuf.ts";
import { type OtlpAnyValue, type OtlpKeyValue, plainAttributes } from "../../src/otlp/otlp-shape.ts";
import { full } from "./mapped.ts";
import { span } from "./tasks.ts";

function storedBatch(payloads: readonly (SpanPayload | string)[]): StoredBatch {
  const parts = payloads.map((payload) => Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload)));
  return new StoredBatch(
    Buffer.concat(parts),
    parts.map(({ length }) => length),
  );
}

function isScanned(payload: SpanPayload): boolean {
  const bytes = Buffer.from(JSON.stringify(payload));
  const scanner = new SpanScanner();
  scanner.begin(bytes);
  return scanner.scan(0, bytes.length);
}

interface AnySpan {
  attributes?: readonly { key: string }[];
  events?: readonly { attributes?: unknown }[];
  links?: readonly { attributes?: unknown }[];
  status?: { code?: unknown; message?: unknown };
}

type Values = readonly OtlpAnyValue[];

/** What protobuf has no word for, numbers as texts and odd base64, as it says them. */
function inProtobuf(value: OtlpAnyValue): OtlpAnyValue {
  const { intValue, doubleValue, arrayValue, kvlistValue, bytesValue } = value;
  if (value.stringValue !== undefined) return value;
  // Also of what a client took for one.
  if (value.boolValue !== undefined) return { boolValue: Boolean(value.boolValue as unknown) };
  if (typeof (intValue ?? doubleValue) === "string") return { stringValue: String(intValue ?? doubleValue) };
  if (intValue !== undefined || doubleValue !== undefined) return value;
  if (arrayValue !== undefined)
    return { arrayValue: { values: ((arrayValue.values ?? []) as Values).map(inProtobuf) } };
  if (kvlistValue !== undefined) return { kvlistValue: { values: attributesInProtobuf(kvlistValue.values) } };
  return bytesValue === undefined ? {} : { bytesValue: Buffer.from(bytesValue, "base64").toString("base64") };
}

function attributesInProtobuf(attributes: readonly OtlpKeyValue[] = []): OtlpKeyValue[] {
  return attributes.map(({ key: name, value: one }) => ({ key: name, value: inProtobuf(one) }));
}

/** The longer way's request, or a part of it, as protobuf will say it. */
function saidInProtobuf<Part>(part: Part): Part {
  if (typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) return part.map(saidInProtobuf) as Part;
  const members = Object.entries(part).map(([name, inside]) => [
    name,
    name === "attributes" ? attributesInProtobuf(inside as OtlpKeyValue[]) : saidInProtobuf(inside as unknown),
  ]);
  return Object.fromEntries(members) as Part;
}

/** What a request says, word by word, but for the order of the spans' attributes. */
function exactly({ resourceSpans }: { resourceSpans?: readonly unknown[] }): unknown {
  return JSON.parse(JSON.stringify(resourceSpans), (name, inside: unknown) =>
    name === "spans" ? (inside as AnySpan[]).map((one) => ({ ...one, attributes: sorted(one.attributes) })) : inside,
  );
}

function sorted(attributes: readonly unknown[] = []): unknown[] {
  return attributes.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** What a request says, whatever its form and the order of its attributes. */
function meaning(request: { resourceSpans?: readonly unknown[] }): unknown {
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

function decodedExactly(batch: StoredBatch): { resourceSpans?: readonly unknown[] } {
  const bytes = batch.protobufRequest();
  expectExact(bytes, requestShape);
  return decodeOtlpRequest(bytes);
}

function byName(request: { resourceSpans?: readonly unknown[] }): unknown {
  return (meaning(request) as { name: string }[]).toSorted((a, b) => a.name.localeCompare(b.name));
}

/** The longer way alone. @throws as it does. */
function longerOtlp(payload: SpanPayload): OtlpRequest {
  return otlpRequest([envelopedSpan(JSON.parse(JSON.stringify(payload)) as SpanPayload)]);
}

function longerProtobuf(payload: SpanPayload): Buffer {
  const request = new ProtobufRequest(new WireWriter());
  request.add(envelopedSpan(JSON.parse(JSON.stringify(payload)) as SpanPayload));
  return request.finish();
}

/** What came of it: a request, or the reason why there is none. */
function outcome<Request>(make: () => Request): { request?: Request; reason?: string } {
  try {
    return { request: make() };
  } catch (error) {
    return { reason: `invalid span: ${(error as Error).message}` };
  }
}

function bothWays(payload: SpanPayload): void {
  const asJson = storedBatch([payload]);
  const json = asJson.otlpRequest();
  const longer = outcome(() => longerOtlp(payload));
  expect(asJson.reasons).toEqual([longer.reason]);
  if (longer.request !== undefined) expect(exactly(json)).toEqual(exactly(longer.request));

  const asProtobuf = storedBatch([payload]);
  const protobuf = decodedExactly(asProtobuf);
  const longerBytes = outcome(() => longerProtobuf(payload));
  expect(asProtobuf.reasons).toEqual([longerBytes.reason]);
  if (longerBytes.request === undefined) return;
  expect(exactly(protobuf)).toEqual(exactly(decodeOtlpRequest(longerBytes.request)));
  expect(meaning(protobuf)).toEqual(meaning(saidInProtobuf(longer.request as OtlpRequest)));
}

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 60 }),
  // Long enough for the native search, with what it must stop at.
  fc.string({
    unit: fc.constantFrom("a", "bc", "\\", '"', "\n", "ü", "{", "x".repeat(40)),
    minLength: 20,
    maxLength: 60,
  }),
);
const key = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom(
    "langfuse.observation.input",
    "langfuse.observation.level",
    "langfuse.observation.metadata.tier",
    "langfuse.trace.tags",
    "langfuse.environment",
    "deployment.environment",
    "session.id",
    "user.id",
    "gen_ai.usage.input_tokens",
    "ü.😀",
  ),
);
const number = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -1, 2 ** 40),
);
const value = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 3 }));
const plainForm = fc.dictionary(key, value, { maxKeys: 8 });
const integer = fc.oneof(fc.integer(), fc.constantFrom(0, -0, 2 ** 31, 2 ** 40, 2 ** 60, -1e15, 1e21, 0.5));
const tagged = (tag: string, inside: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> =>
  inside.map((one) => ({ [tag]: one }));
const soundValue = fc.letrec<{ value: Record<string, unknown>; entry: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tagged("stringValue", text),
    tagged("boolValue", fc.boolean()),
    tagged("intValue", fc.oneof(integer, integer.map(String), fc.constantFrom("007", "-0", "9007199254740993"))),
    tagged("doubleValue", fc.oneof(number, fc.constantFrom("NaN", "Infinity", "-Infinity", "1.5"))),
    tagged("arrayValue", fc.record({ values: fc.array(tie("value"), { maxLength: 3 }) })),
    tagged("kvlistValue", fc.record({ values: fc.array(tie("entry"), { maxLength: 3 }) })),
    tagged("bytesValue", fc.base64String()),
    fc.constant({}),
  ),
  entry: fc.record({ key, value: tie("value") }),
}));
/** What a client may take for a value; of some of it no request can be made. */
const oddValue = fc.oneof(
  fc.constantFrom<unknown>({ stringValue: 5 }, { stringValue: null }, { arrayValue: { values: [null] } }),
  fc.constantFrom<unknown>("[cut]", null, 5, [], { unknownValue: 1 }, { boolValue: "true" }, { intValue: "many" }),
  fc.constantFrom<unknown>(
    { arrayValue: {} },
    { kvlistValue: { values: [null] } },
    { arrayValue: { values: ["[cut]"] } },
  ),
  fc.record({ stringValue: text, intValue: fc.integer() }),
  fc.record({ intValue: fc.integer(), stringValue: text }),
);
const oddEntry = fc.oneof(
  fc.record({ key, value: oddValue }),
  fc.record({ value: soundValue.value, key }),
  fc.record({ key, value: soundValue.value, more: value }),
  fc.record({ key }),
  fc.record({ key: fc.constant(5), value: soundValue.value }),
  fc.constantFrom<unknown>(null, "[cut]", [], {}),
);
/** OTLP's own form; `odd`: among the entries may be such as are none. */
const listForm = (odd: boolean): fc.Arbitrary<never[]> =>
  fc.array(odd ? fc.oneof({ arbitrary: soundValue.entry, weight: 9 }, oddEntry) : soundValue.entry, {
    maxLength: 8,
  }) as fc.Arbitrary<never[]>;
const attributes = fc.oneof(plainForm, listForm(false), listForm(true));
const nanos = fc.bigInt({ min: 1n, max: 9_999_999_999_999_999_999n }).map(String);
const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(..."0123456789abcdef".split("")), minLength: digits, maxLength: digits })
    .map((id) => `1${id.slice(1)}`);
const identity = { traceId: hex(32), spanId: hex(16), name: text, startTimeUnixNano: nanos, endTimeUnixNano: nanos };
const counts = fc.dictionary(fc.string({ maxLength: 8 }), fc.nat(), { maxKeys: 4 });

const record = fc.record(
  {
    ...identity,
    parentSpanId: hex(16),
    kind: fc.nat(5),
    attributes,
    events: fc.array(fc.record({ name: text, timeUnixNano: nanos, attributes }), { maxLength: 2 }),
    links: fc.array(fc.record({ traceId: hex(32), spanId: hex(16), attributes }), { maxLength: 2 }),
    status: fc.record({ code: fc.nat(2), message: text }, { requiredKeys: [] }),
    resource: fc.record({ attributes }),
    scope: fc.record({ name: text, version: text, attributes }, { requiredKeys: [] }),
    traceState: text,
  },
  { requiredKeys: ["traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"] },
);

const observation = fc.record(
  {
    ...identity,
    type: fc.constantFrom(...observationTypes),
    level: fc.constantFrom(...observationLevels),
    input: value,
    output: value,
    model: text,
    modelParameters: fc.dictionary(text, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }),
    usageDetails: counts,
    costDetails: fc.dictionary(fc.string({ maxLength: 8 }), fc.double({ min: 0, max: 1e3, noNaN: true }), {
      maxKeys: 3,
    }),
    metadata: fc.oneof(fc.dictionary(key, value, { maxKeys: 4 }), text),
    promptName: text,
    promptVersion: fc.nat(),
    statusMessage: text,
    version: text,
    environment: fc.constantFrom("production", "test-1", "Not Clean", "langfuse-own"),
    release: text,
    serviceName: text,
    attributes,
    trace: fc.record(
      {
        userId: text,
        sessionId: text,
        tags: fc.array(text, { maxLength: 3 }),
        public: fc.boolean(),
        traceMetadata: plainForm,
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ["traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"] },
);

/** Without those of which no request can be made. */
function allBothWays(payloads: readonly SpanPayload[]): void {
  const asJson = storedBatch(payloads);
  const json = asJson.otlpRequest();
  const sendable = payloads.filter((payload) => outcome(() => longerOtlp(payload)).reason === undefined);
  expect(asJson.validCount).toBe(sendable.length);
  const parsed = sendable.map((payload) => JSON.parse(JSON.stringify(payload)) as SpanPayload);
  expect(byName(json)).toEqual(byName(otlpRequest(parsed.map(envelopedSpan))));

  const asProtobuf = storedBatch(payloads);
  const protobuf = decodedExactly(asProtobuf);
  const writable = parsed.filter((payload) => outcome(() => longerProtobuf(payload)).reason === undefined);
  expect(asProtobuf.validCount).toBe(writable.length);
  expect(byName(protobuf)).toEqual(byName(saidInProtobuf(otlpRequest(writable.map(envelopedSpan)))));
}

/** Of every kind of value, as the sidecar stores them. */
const otlpAttributes = [
  { key: "gen_ai.operation.name", value: { stringValue: "chat" } },
  { key: "input", value: { stringValue: 'with "quotes" \\ and \n 😀' } },
  { key: "stream", value: { boolValue: true } },
  { key: "cached", value: { boolValue: false } },
  { key: "tokens", value: { intValue: "1234" } },
  { key: "retries", value: { intValue: "0" } },
  { key: "offset", value: { intValue: -7 } },
  { key: "large", value: { intValue: "9007199254740993" } },
  { key: "seconds", value: { doubleValue: 0.21 } },
  { key: "whole", value: { doubleValue: 2 } },
  { key: "none", value: { doubleValue: "NaN" } },
  { key: "list", value: { arrayValue: { values: [{ stringValue: "a" }, { intValue: "5" }] } } },
  { key: "object", value: { kvlistValue: { values: [{ key: "b", value: { intValue: "6" } }] } } },
  { key: "bytes", value: { bytesValue: "AAEC" } },
  { key: "empty", value: {} },
  { key: "langfuse.observation.type", value: { stringValue: "generation" } },
];
const otlpSpan = {
  attributes: otlpAttributes,
  resource: { attributes: [{ key: "service.name", value: { stringValue: "bot" } }] },
  scope: { name: "pipecat", attributes: [{ key: "a", value: { intValue: "1" } }] },
  trace: { sessionId: "session-1", userId: "user-1" },
};

describe("the short way says what the longer one says", () => {
  test("of records", () => {
    fc.assert(
      fc.property(record, (payload) => bothWays(payload as SpanPayload)),
      { numRuns: 500 },
    );
  });

  test("of observations", () => {
    fc.assert(
      fc.property(observation, (payload) => bothWays(payload as unknown as SpanPayload)),
      { numRuns: 500 },
    );
  });

  test("of many at once", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(record, observation), { minLength: 2, maxLength: 6 }), (payloads) =>
        allBothWays(
          payloads.map((payload, index) => ({ ...payload, name: `span ${index}` })) as unknown as SpanPayload[],
        ),
      ),
      { numRuns: 200 },
    );
  });

  test.each([0, 126, 127, 128, 16_382, 16_384, 16_390, 2_097_150, 2_097_153])("of a text of %i bytes", (length) => {
    bothWays(span(1, { attributes: { ["k".repeat(Math.min(length, 200) + 1)]: "x".repeat(length) } }));
    bothWays(span(1, { input: `${"x".repeat(length)}"`, output: ["y".repeat(length)] }));
  });

  test("of everything at once", () => {
    bothWays(full);
    bothWays(span(1, otlpSpan));
    bothWays({ ...full, attributes: otlpAttributes });
    bothWays({ ...full, attributes: { plain: 'with "quotes" \\ and \n 😀' } });
  });
});

test("the usual spans do take the short way", () => {
  const { attributes: _, ...fields } = full;
  expect(isScanned(fields)).toBe(true);
  expect(isScanned({ ...fields, attributes: { "my.key": "x", other: [1, { a: 2 }] } })).toBe(true);
  expect(isScanned(span(1, { attributes: { "langfuse.observation.input": [{ role: "user" }], "user.id": "u" } }))).toBe(
    true,
  );
  expect(isScanned(span(1, otlpSpan))).toBe(true);
  expect(isScanned(span(1, { attributes: [] }))).toBe(true);
  expect(isScanned({ ...fields, attributes: [{ key: "my.key", value: { stringValue: "x" } }] })).toBe(true);
  expect(
    isScanned(span(1, { trace: { sessionId: "s" }, attributes: { "user.id": "u", "langfuse.version": "1" } })),
  ).toBe(true);
});

test.each([
  [{ "deployment.environment": "Prod!" }],
  [[{ key: "deployment.environment", value: { stringValue: "Prod!" } }]],
])("the resource's environment is cleaned on spans that say none: %j", (attributes) => {
  const resource = { attributes };
  bothWays(span(1, { resource }));
  bothWays(span(1, { resource, environment: "test" }));
  bothWays(span(1, { resource, attributes: { "langfuse.environment": "test" } }));
  bothWays(span(1, { resource, attributes: [{ key: "langfuse.environment", value: { stringValue: "test" } }] }));
  expect(isScanned(span(1, { resource }))).toBe(true);
  const [one] = meaning(decodedExactly(storedBatch([span(1, { resource })]))) as { attributes: object }[];
  expect(one?.attributes).toEqual({ "langfuse.environment": "prod-" });
});

test.each<[string, Partial<SpanPayload>]>([
  ["an unknown level", { level: "INFO" as never }],
  ["an unknown type", { type: "llm" as never }],
  ["an environment that is none", { environment: "Prod!" }],
  ["a level in the attributes", { attributes: { "langfuse.observation.level": "info" } }],
  ["an environment in the attributes", { attributes: { "deployment.environment": "Prod!" } }],
  ["negative counts", { usageDetails: { input: -1 } }],
  ["a field and an attribute of the same meaning", { input: "a", attributes: { "langfuse.observation.input": "b" } }],
  ["upper case in an id", { traceId: "0AF7651916CD43DD8448EB211C80319C" }],
  ["an entry that is none", { attributes: [{ key: "a" }] as never }],
  ["an entry with something beside key and value", { attributes: [{ key: "a", value: {}, more: 1 } as never] }],
  ["a text in the place of a value", { attributes: [{ key: "a", value: "[cut]" }] }],
  ["a level in OTLP's form", { attributes: [{ key: "langfuse.observation.level", value: { stringValue: "info" } }] }],
  ["an environment that is no text", { attributes: [{ key: "deployment.environment", value: { intValue: "1" } }] }],
  [
    "a field and an attribute of OTLP's form of the same meaning",
    { trace: { userId: "a" }, attributes: [{ key: "user.id", value: { stringValue: "b" } }] },
  ],
  [
    "a part of the metadata and an attribute of the same meaning",
    { metadata: {}, attributes: { "langfuse.observation.metadata.tier": "gold" } },
  ],
  ["a field that nobody knows", { unknown: 1 } as never],
])("%s takes the longer way", (_, fields) => {
  expect(isScanned(span(1, fields))).toBe(false);
});

test("spans with other resources and scopes between them", () => {
  const scope = { name: "s" };
  const payloads = [span(1), span(2, { scope }), span(3), span(4, { serviceName: "other", scope }), span(5, { scope })];
  const decoded = byName(decodedExactly(storedBatch(payloads)));
  expect(decoded).toEqual(byName(otlpRequest(payloads.map(envelopedSpan))));
});

test("one bad payload costs nobody else anything, by either form", () => {
  for (const form of ["otlpRequest", "protobufRequest"] as const) {
    const batch = storedBatch([
      span(1),
      "{not json",
      span(3, { traceId: "short" }),
      span(4, { links: [{ traceId: 5 } as never] }),
      span(5),
    ]);
    const request = batch[form]();
    const decoded = request instanceof Buffer ? decodeOtlpRequest(request) : request;
    const names = (meaning(decoded as object) as { name: string }[]).map(({ name }) => name);
    expect(names.filter((name) => name !== "span 4")).toEqual(["span 1", "span 5"]);
    expect(batch.reasons.map((reason) => reason !== undefined)).toEqual([
      false,
      true,
      true,
      form === "protobufRequest",
      false,
    ]);
  }
});

test("a resource that protobuf cannot say costs no other span anything", () => {
  const resource = { attributes: [{ key: "a", value: { stringValue: 5 } }] };
  const batch = storedBatch([span(1), span(2, { resource }), span(3, { resource }), span(4)]);
  const names = (meaning(decodedExactly(batch)) as { name: string }[]).map(({ name }) => name);
  expect(names).toEqual(["span 1", "span 4"]);
  expect(batch.reasons.map((reason) => reason !== undefined)).toEqual([false, true, true, false]);
});

test("what stands behind the span's text makes it invalid", () => {
  const batch = storedBatch([`${JSON.stringify(span(1))}x`, span(2)]);
  batch.protobufRequest();
  expect(batch.reasons).toEqual(["invalid span: its stored form is not JSON", undefined]);
});

test("the same payloads give the same bytes, also after others", () => {
  const payloads = [full, span(1), span(2, { type: "agent" })];
  const first = storedBatch(payloads).protobufRequest();
  storedBatch([span(9, { input: "x".repeat(1_000_000) })]).protobufRequest();
  expect(storedBatch(structuredClone(payloads)).protobufRequest().equals(first)).toBe(true);
});
