/**
 * The short way to a request (places in the stored bytes) against the longer one (parsed, mended, cleaned): whatever
 * the short way takes, both must make the same of it. The protobuf is read by the stand-in's decoder, which shares
 * nothing with the writer.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { envelopedSpan, type OtlpRequest, otlpRequest } from "../../src/export/otlp.ts";
import { ProtobufRequest } from "../../src/export/protobuf-request.ts";
import { SpanScanner } from "../../src/export/span-scanner.ts";
import { StoredBatch } from "../../src/export/stored-batch.ts";
import { WireWriter } from "../../src/export/wire-writer.ts";
import { decodeOtlpRequest } from "../../src/otlp/decode-protobuf.ts";
import { JsonSpans } from "../../src/otlp/json-spans.ts";
import type { SourceSpan } from "../../src/otlp/span-source.ts";
import { createEnricher } from "../../src/server/enrich/enricher.ts";
import { payloadOf } from "../../src/server/traces/payload.ts";
import { observation, record } from "./any-span.ts";
import { full } from "./mapped.ts";
import { byName, decodedExactly, exactly, meaning, saidInProtobuf } from "./request-meaning.ts";
import { span } from "./tasks.ts";

function storedBatch(payloads: readonly (SpanPayload | string)[]): StoredBatch {
  const parts = payloads.map((payload) => Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload)));
  return new StoredBatch(
    Buffer.concat(parts),
    parts.map(({ length }) => length),
  );
}

/** One behind the other, as in a batch. */
function areScanned(payloads: readonly SpanPayload[]): boolean {
  const texts = payloads.map((payload) => Buffer.from(JSON.stringify(payload)));
  const scanner = new SpanScanner();
  scanner.begin(Buffer.concat(texts));
  let end = 0;
  return texts.every(({ length }) => scanner.scan(end, (end += length)));
}

function isScanned(payload: SpanPayload): boolean {
  return areScanned([payload]);
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

/** `undefined`: none can be made. */
function madeBy<Request>(make: () => Request): Request | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

function bothWays(payload: SpanPayload): void {
  const asJson = storedBatch([payload]);
  const json = asJson.otlpRequest();
  const longer = madeBy(() => longerOtlp(payload));
  expect(asJson.validCount).toBe(longer === undefined ? 0 : 1);
  if (longer !== undefined) expect(exactly(json)).toEqual(exactly(longer));

  const asProtobuf = storedBatch([payload]);
  const protobuf = decodedExactly(asProtobuf);
  const longerBytes = madeBy(() => longerProtobuf(payload));
  expect(asProtobuf.validCount).toBe(longerBytes === undefined ? 0 : 1);
  if (longer === undefined || longerBytes === undefined) return;
  expect(exactly(protobuf)).toEqual(exactly(decodeOtlpRequest(longerBytes)));
  expect(meaning(protobuf)).toEqual(meaning(saidInProtobuf(longer)));
}

/** Without those of which no request can be made. */
function allBothWays(payloads: readonly SpanPayload[]): void {
  const asJson = storedBatch(payloads);
  const json = asJson.otlpRequest();
  const sendable = payloads.filter((payload) => madeBy(() => longerOtlp(payload)) !== undefined);
  expect(asJson.validCount).toBe(sendable.length);
  const parsed = sendable.map((payload) => JSON.parse(JSON.stringify(payload)) as SpanPayload);
  expect(byName(json)).toEqual(byName(otlpRequest(parsed.map(envelopedSpan))));

  const asProtobuf = storedBatch(payloads);
  const protobuf = decodedExactly(asProtobuf);
  const writable = parsed.filter((payload) => madeBy(() => longerProtobuf(payload)) !== undefined);
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
      fc.property(record, (payload) => bothWays(payload)),
      { numRuns: 500 },
    );
  });

  test("of observations", () => {
    fc.assert(
      fc.property(observation, (payload) => bothWays(payload)),
      { numRuns: 500 },
    );
  });

  test("of many at once", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(record, observation), { minLength: 2, maxLength: 6 }), (payloads) =>
        allBothWays(payloads.map((payload, index) => ({ ...payload, name: `span ${index}` }))),
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
  ["a kind that is a text", { kind: "3" as never }],
  ["negative counts", { usageDetails: { input: -1 } }],
  ["a field and an attribute of the same meaning", { input: "a", attributes: { "langfuse.observation.input": "b" } }],
  ["upper case in an id", { traceId: "0AF7651916CD43DD8448EB211C80319C" }],
  ["an entry that is none", { attributes: [{ key: "a" }] as never }],
  ["an entry with something beside key and value", { attributes: [{ key: "a", value: {}, more: 1 } as never] }],
  ["a text in the place of a value", { attributes: [{ key: "a", value: "[cut]" }] }],
  ["an array that is none", { attributes: [{ key: "a", value: { arrayValue: { values: 5 } } }] }],
  ["a text that is none", { attributes: [{ key: "a", value: { stringValue: 5 } }] }],
  ["something odd deep inside", { attributes: [{ key: "a", value: { arrayValue: { values: [{ odd: 1 }] } } }] }],
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

describe.each([true, false])("the spans of a pipeline, as the sidecar stores them, enriched: %s", (isEnriched) => {
  const request = readFileSync(new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url));
  const source = new JsonSpans(request);
  const enricher = createEnricher();
  const payloads = Array.from({ length: source.count }, (_, index) => payloadOf(source.at(index) as SourceSpan));
  if (isEnriched) {
    for (const payload of payloads) enricher.enrich(payload, { sessionId: "session-1", userId: "user-1", tags: ["a"] });
  }

  test("take the short way", () => {
    expect(payloads.length).toBeGreaterThan(5);
    expect(payloads.filter((payload) => !isScanned(payload)).map(({ name }) => name)).toEqual([]);
  });

  test("go both ways", () => {
    for (const payload of payloads) bothWays(payload);
    allBothWays(payloads);
  });
});

test("spans with other resources and scopes between them", () => {
  const scope = { name: "s" };
  const payloads = [span(1), span(2, { scope }), span(3), span(4, { serviceName: "other", scope }), span(5, { scope })];
  for (const [index, value] of ["a", "a", "ab", "a"].entries()) {
    const attributes = [{ key: "service.name", value: { stringValue: value } }];
    payloads.push(span(6 + index, { resource: { attributes }, scope: { name: "s", attributes } }));
  }
  expect(areScanned(payloads)).toBe(true);
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

test("what stands behind the span's text, or a list without an end, makes it invalid", () => {
  const attributes = [{ key: "a", value: { stringValue: "b" } }];
  const endless = JSON.stringify(span(1, { attributes })).replace("}}]", "}}}");
  const batch = storedBatch([`${JSON.stringify(span(1))}x`, endless, span(2)]);
  batch.protobufRequest();
  const reason = "invalid span: its stored form is not JSON";
  expect(batch.reasons).toEqual([reason, reason, undefined]);
});

test("the same payloads give the same bytes, also after others", () => {
  const payloads = [full, span(1), span(2, { type: "agent" })];
  const first = storedBatch(payloads).protobufRequest();
  storedBatch([span(9, { input: "x".repeat(1_000_000) })]).protobufRequest();
  expect(storedBatch(structuredClone(payloads)).protobufRequest().equals(first)).toBe(true);
});
