/**
 * The short way to a request (places in the stored bytes) against the longer one (parsed, mended, cleaned): whatever
 * the short way takes, both must make the same of it. The protobuf is read by the stand-in's decoder, which shares
 * nothing with the writer.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { observationLevels, observationTypes, type SpanPayload } from "../../src/buffer/span-payload.ts";
import { envelopedSpan, otlpRequest } from "../../src/export/otlp.ts";
import { SpanScanner } from "../../src/export/span-scanner.ts";
import { StoredBatch } from "../../src/export/stored-batch.ts";
import { decodeOtlpRequest } from "../../src/otlp/decode-protobuf.ts";
import { plainAttributes } from "../../src/otlp/otlp-shape.ts";
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

function bothWays(payload: SpanPayload): void {
  const parsed = JSON.parse(JSON.stringify(payload)) as SpanPayload;
  const expected = meaning(otlpRequest([envelopedSpan(parsed)]));
  expect(meaning(storedBatch([payload]).otlpRequest())).toEqual(expected);
  expect(meaning(decodedExactly(storedBatch([payload])))).toEqual(expected);
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
  fc.constantFrom("langfuse.observation.input", "langfuse.trace.tags", "user.id", "gen_ai.usage.input_tokens", "ü.😀"),
);
const number = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -1, 2 ** 40),
);
const value = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 3 }));
const attributes = fc.dictionary(key, value, { maxKeys: 8 });
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
    scope: fc.record({ name: text, version: text }, { requiredKeys: [] }),
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
        traceMetadata: attributes,
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ["traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"] },
);

function allBothWays(payloads: readonly SpanPayload[]): void {
  const parsed = payloads.map((payload) => JSON.parse(JSON.stringify(payload)) as SpanPayload);
  const expected = byName(otlpRequest(parsed.map(envelopedSpan)));
  expect(byName(storedBatch(payloads).otlpRequest())).toEqual(expected);
  expect(byName(decodedExactly(storedBatch(payloads)))).toEqual(expected);
}

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
  ["attributes in OTLP's form", { attributes: [{ key: "a", value: { stringValue: "b" } }] }],
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
