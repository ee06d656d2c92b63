/** Requests in both encodings: the same spans come out of either, whole and exact. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonSpans } from "../../src/otlp/json-spans.ts";
import type { OtlpRequest, OtlpSpan } from "../../src/otlp/otlp-shape.ts";
import { ProtobufSpans } from "../../src/otlp/protobuf-spans.ts";
import { deepestValue, maxSpanParts } from "../../src/otlp/span-limits.ts";
import type { NoSpan, SourceSpan, SpanSource } from "../../src/otlp/span-source.ts";
import { WireReader } from "../../src/otlp/wire-reader.ts";
import { request, unixNano } from "./arbitrary-request.ts";
import { encodeOtlpRequest } from "./encode-request.ts";

const sources: readonly [string, (request: OtlpRequest) => SpanSource][] = [
  ["protobuf", (request) => new ProtobufSpans(encodeOtlpRequest(request))],
  ["json", (request) => new JsonSpans(Buffer.from(JSON.stringify(request)))],
];

function allOf(source: SpanSource): (SourceSpan | NoSpan)[] {
  return Array.from({ length: source.count }, (_, index) => source.at(index));
}

/** What is expected of each span: everything that was sent, and nothing for what was not. */
function sentBy({ resourceSpans = [] }: OtlpRequest): unknown[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map((span) => ({
        resource,
        scope: scope === undefined ? undefined : { ...scope, attributes: emptyIsAbsent(scope.attributes) },
        span: { name: "", attributes: [], events: [], links: [], status: {}, ...span },
      })),
    ),
  );
}

function emptyIsAbsent<Value>(list: Value[] | undefined): Value[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

test.each(sources)("%s: everything that was sent comes out", (_name, sourceOf) => {
  fc.assert(
    fc.property(request, (sent) => {
      const found = allOf(sourceOf(sent)).map((each) => {
        const { checksum, ...rest } = each as SourceSpan;
        expect(checksum).toBeTypeOf("number");
        return rest;
      });
      expect(found).toEqual(sentBy(sent));
    }),
    { numRuns: 500 },
  );
});

test("the conversation of the fixture is the same by both", () => {
  const text = readFileSync(new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url), "utf8");
  const sent = JSON.parse(text) as OtlpRequest;
  const [byProtobuf, byJson] = sources.map(([, sourceOf]) =>
    allOf(sourceOf(sent)).map((each) => ({ ...each, checksum: 0 })),
  );
  expect(byProtobuf).toHaveLength(9);
  expect(byProtobuf).toEqual(byJson);
});

test("spans of one resource share its object, and that of their scope", () => {
  const span: OtlpSpan = { traceId: "1".repeat(32), spanId: "1".repeat(16) };
  const sent = { resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans: [span, span] }] }] };
  for (const [name, sourceOf] of sources) {
    const [first, second] = allOf(sourceOf(sent)) as SourceSpan[];
    expect(first?.resource, name).toBe(second?.resource);
    expect(first?.scope, name).toBe(second?.scope);
  }
});

test("fields of protobuf may come in any order: a resource behind its spans is theirs", () => {
  const [resource, scopeSpans] = [
    { resourceSpans: [{ resource: { attributes: [{ key: "a", value: { stringValue: "b" } }] } }] },
    { resourceSpans: [{ scopeSpans: [{ scope: { name: "s" }, spans: [{ name: "x" }] }] }] },
  ].map((sent) => encodeOtlpRequest(sent).subarray(2));
  const inside = Buffer.concat([scopeSpans as Buffer, resource as Buffer]);
  const [found] = allOf(new ProtobufSpans(Buffer.concat([Buffer.of(10, inside.length), inside])));
  expect(found).toMatchObject({
    resource: { attributes: [{ key: "a", value: { stringValue: "b" } }] },
    scope: { name: "s" },
    span: { name: "x" },
  });
});

test("fixed64 keeps every digit", () => {
  fc.assert(
    fc.property(unixNano, (nanos) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(nanos));
      expect(new WireReader(bytes).fixed64()).toBe(nanos);
    }),
    { numRuns: 2_000 },
  );
});

function knownText(text: Buffer): string {
  return new WireReader(Buffer.concat([Buffer.of(text.length), text])).knownText();
}

test("texts that are known by their bytes are those texts, whatever else is known", () => {
  for (let first = 0; first < 128; first++) {
    for (let second = 128; second < 256; second++) {
      const character = Buffer.from(String.fromCharCode(97, first, second));
      expect(knownText(character)).toBe(character.toString());
      // The character's number as a byte, which is no UTF-8.
      const byte = Buffer.of(97, first, second);
      expect(knownText(byte)).toBe(byte.toString());
    }
  }
});

describe("checksums", () => {
  const span: OtlpSpan = {
    traceId: "1".repeat(32),
    spanId: "1".repeat(16),
    startTimeUnixNano: "1",
    endTimeUnixNano: "2",
    attributes: [{ key: "a", value: { stringValue: "b" } }],
  };
  const sent = (changed: Partial<OtlpSpan>, service = "bot", scope = "s"): OtlpRequest => ({
    resourceSpans: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
        scopeSpans: [{ scope: { name: scope }, spans: [{ name: "other" }, { ...span, ...changed }] }],
      },
    ],
  });

  test.each(sources)("%s: equal for equal spans, other for any other version", (_name, sourceOf) => {
    const checksumOf = (request: OtlpRequest): number => (sourceOf(request).at(1) as SourceSpan).checksum;
    const versions = [
      sent({}),
      sent({ endTimeUnixNano: "3" }),
      sent({ attributes: [{ key: "a", value: { stringValue: "c" } }] }),
      sent({ status: { code: 2 } }),
      sent({}, "other"),
      sent({}, "bot", "other"),
    ];
    const checksums = versions.map(checksumOf);
    expect(new Set(checksums).size).toBe(versions.length);
    expect(versions.map(checksumOf)).toEqual(checksums);
  });
});

function nested(levels: number): NonNullable<OtlpSpan["attributes"]> {
  let value: object = { stringValue: "inside" };
  for (let level = 0; level < levels; level++) {
    value = level % 2 === 0 ? { arrayValue: { values: [value] } } : { kvlistValue: { values: [{ key: "k", value }] } };
  }
  return [
    { key: "deep", value },
    { key: "flat", value: { stringValue: "kept" } },
  ];
}

describe("limits of a span", () => {
  const identity = { traceId: "1".repeat(32), spanId: "1".repeat(16), startTimeUnixNano: "1", endTimeUnixNano: "2" };

  test.each(sources)("%s: parts, counted for each span by itself", (_name, sourceOf) => {
    const attributes = Array.from({ length: maxSpanParts }, () => ({ key: "", value: {} }));
    const tooMany = { ...identity, attributes, events: [{ name: "one too many" }] };
    const most = { ...identity, attributes };
    const source = sourceOf({ resourceSpans: [{ scopeSpans: [{ spans: [tooMany, most, most] }] }] });
    const [first, second, third] = allOf(source);
    expect((first as NoSpan).fault).toContain("more than 100000");
    expect((second as SourceSpan).span.attributes).toHaveLength(maxSpanParts);
    expect((third as SourceSpan).span.attributes).toHaveLength(maxSpanParts);
  });

  test.each(sources)("%s: values deeper than can be stored become a marker, by themselves", (_name, sourceOf) => {
    const textOf = (levels: number): string => {
      const source = sourceOf({ resourceSpans: [{ scopeSpans: [{ spans: [{ attributes: nested(levels) }] }] }] });
      return JSON.stringify((source.at(0) as SourceSpan).span.attributes);
    };
    expect(textOf(deepestValue)).toContain("inside");
    expect(textOf(deepestValue + 1)).not.toContain("inside");
    expect(textOf(deepestValue + 1)).toContain("Nested deeper than 30 levels");
    expect(textOf(300)).toContain("kept");
  });
});
