/** Whatever the bytes are: a request that is none is refused as a whole, a span that is none by itself. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonSpans } from "../../src/otlp/json-spans.ts";
import type { OtlpRequest } from "../../src/otlp/otlp-shape.ts";
import { ProtobufSpans } from "../../src/otlp/protobuf-spans.ts";
import type { NoSpan, SourceSpan, SpanSource } from "../../src/otlp/span-source.ts";
import { encodeOtlpRequest } from "./encode-request.ts";

const text = readFileSync(new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url), "utf8");
const fixture = JSON.parse(text) as OtlpRequest;

/** The faults of its spans, or why it is no request at all. */
function faultsOf(make: () => SpanSource): (string | undefined)[] | Error {
  let source: SpanSource;
  try {
    source = make();
  } catch (error) {
    return error as Error;
  }
  return Array.from({ length: source.count }, (_, index) => (source.at(index) as Partial<NoSpan>).fault);
}

describe("protobuf", () => {
  const whole = encodeOtlpRequest(fixture);

  test("a request that is cut off anywhere is refused", () => {
    for (let length = 1; length < whole.length; length++) {
      const outcome = faultsOf(() => new ProtobufSpans(whole.subarray(0, length)));
      // Where one resource's part ends, what is there is whole.
      const isWhole = length === wholeUntil(1);
      expect(outcome instanceof Error, `${length} bytes`).toBe(!isWhole);
    }
  });

  /** Where the first so many resources end. */
  function wholeUntil(count: number): number {
    return encodeOtlpRequest({ resourceSpans: (fixture.resourceSpans ?? []).slice(0, count) }).length;
  }

  test.each<[string, number[], RegExp]>([
    ["a field without a number", [0x02, 0x00], /without a number/],
    ["a group, which protobuf 3 has not", [0x13, 0x14], /wire type 3/],
    ["a part longer than the request", [0x0a, 0x05, 0x00], /beyond/],
    ["a length of 2^63", [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], /beyond/],
    ["a number that does not end", Array.from({ length: 12 }, () => 0x80), /ten bytes/],
    ["a number that is cut off", [0x10, 0x80], /within a number/],
    ["a fixed64 that is cut off", [0x11, 1, 2, 3], /too early/],
  ])("%s", (_name, bytes, message) => {
    expect(() => new ProtobufSpans(Buffer.from(bytes))).toThrow(message);
  });

  test("what is broken within one span harms no other", () => {
    const sound = { traceId: "1".repeat(32), spanId: "1".repeat(16), name: "sound" };
    const bytes = encodeOtlpRequest({
      resourceSpans: [{ scopeSpans: [{ spans: [sound, { name: "broken" }, sound] }] }],
    });
    const name = bytes.indexOf("broken");
    // Its length: beyond its span, into the next; beyond the request.
    for (const length of [20, 100]) {
      bytes[name - 1] = length;
      expect(faultsOf(() => new ProtobufSpans(bytes))).toEqual([undefined, "it is no span in protobuf", undefined]);
    }
  });

  test("a known field of another type is an unknown one", () => {
    // Field 5 of a span, the name, as a number.
    const span = [0x28, 0x07];
    const bytes = Buffer.from([0x0a, 0x06, 0x12, 0x04, 0x12, 0x02, ...span]);
    expect((new ProtobufSpans(bytes).at(0) as SourceSpan).span.name).toBe("");
  });

  test("random and mutated bytes", () => {
    const mutated = fc
      .array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
      .map((changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(
        fc.oneof(
          mutated,
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          const outcome = faultsOf(() => new ProtobufSpans(bytes));
          return outcome instanceof Error ? outcome.message.length < 100 : outcome.length <= bytes.length;
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

/** A field of this tag with these bytes. */
function field(tag: number, content: Buffer): Buffer {
  const length: number[] = [];
  for (let left = content.length; left > 0; left = Math.floor(left / 128))
    length.push((left % 128) + (left > 127 ? 128 : 0));
  return Buffer.concat([Buffer.of(tag, ...length), content]);
}

describe("two bytes an entry", () => {
  const emptyScopes = Buffer.alloc(7_000_000, Buffer.of(18, 0));

  test.each([
    ["empty scopes", field(10, emptyScopes)],
    ["empty resources", Buffer.alloc(7_000_000, Buffer.of(10, 0))],
    ["fields that nobody knows", emptyScopes],
    ["such fields in a scope", field(10, field(18, Buffer.alloc(7_000_000, Buffer.of(26, 0))))],
  ])("%s are counted", (_name, body) => {
    expect(() => new ProtobufSpans(body)).toThrow(/more than 3000000 resources, scopes and spans/);
  });

  test("as many as are allowed hold no spans", () => {
    expect(new ProtobufSpans(field(10, Buffer.alloc(5_000_000, Buffer.of(18, 0)))).count).toBe(0);
  });
});

describe("JSON", () => {
  test("a long body is refused by its first byte", () => {
    expect(() => new JsonSpans(Buffer.alloc(3_000_000, "["))).toThrow(/no object/);
    expect(() => new JsonSpans(Buffer.alloc(3_000_000, " "))).toThrow(/no object/);
    const long = `  {"resourceSpans": [], "x": "${"y".repeat(3_000_000)}"}`;
    expect(new JsonSpans(Buffer.from(long)).count).toBe(0);
  });

  test.each<[string, string, RegExp]>([
    ["no JSON", '{"resourceSpans": [', /not JSON/],
    ["nothing", "", /not JSON/],
    ["an array", "[]", /no object/],
    ["null", "null", /no object/],
    ["resourceSpans that are no array", '{"resourceSpans": {}}', /resourceSpans is no array/],
    ["an entry that is no object", '{"resourceSpans": [null]}', /entry of resourceSpans/],
    ["scopeSpans that are no array", '{"resourceSpans": [{"scopeSpans": "x"}]}', /scopeSpans is no array/],
    ["spans that are no array", '{"resourceSpans": [{"scopeSpans": [{"spans": 1}]}]}', /spans is no array/],
  ])("%s", (_name, body, message) => {
    expect(() => new JsonSpans(Buffer.from(body))).toThrow(message);
  });

  test("the refusal shows nothing of the body", () => {
    const outcome = faultsOf(() => new JsonSpans(Buffer.from('{"secret-thing": }')));
    expect((outcome as Error).message).toBe("the body is not JSON");
  });

  test("what is broken within one span harms no other", () => {
    const spans = [{}, 1, { spanId: "b", attributes: {} }, { events: "none" }, { links: 5 }, null, {}];
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
    const source = new JsonSpans(Buffer.from(body));
    expect(faultsOf(() => source)).toEqual([
      undefined,
      "it is no object",
      "attributes is no array",
      "events is no array",
      "links is no array",
      "it is no object",
      undefined,
    ]);
    expect(source.at(2)).toMatchObject({ spanId: "b" });
  });

  test("a body of brackets alone is refused before it becomes objects", () => {
    for (const piece of ["[", "{", '"":']) {
      const body = Buffer.concat([Buffer.from("{"), Buffer.alloc(3_000_000 * piece.length, piece)]);
      expect(() => new JsonSpans(body)).toThrow(/too many parts/);
    }
  });

  test("a body as large as that with texts in it is read", () => {
    const attributes = [{ key: "large", value: { stringValue: "x".repeat(3_000_000) } }];
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ attributes }] }] }] });
    expect(new JsonSpans(Buffer.from(body)).count).toBe(1);
  });

  test("any JSON in any place", () => {
    const any = fc.jsonValue({ maxDepth: 2 });
    const almost = fc.record({
      resourceSpans: fc.array(
        fc.record({
          resource: fc.oneof(any, fc.record({ attributes: any })),
          scopeSpans: fc.array(
            fc.record({
              scope: any,
              spans: fc.array(
                fc.oneof(
                  any,
                  fc.record({
                    traceId: any,
                    kind: any,
                    startTimeUnixNano: any,
                    attributes: fc.array(fc.oneof(any, fc.record({ key: fc.string(), value: any }))),
                    events: fc.array(any),
                    links: fc.array(any),
                    status: any,
                  }),
                ),
              ),
            }),
          ),
        }),
      ),
    });
    fc.assert(
      fc.property(fc.oneof(any, almost), (body) => {
        const outcome = faultsOf(() => new JsonSpans(Buffer.from(JSON.stringify(body))));
        return outcome instanceof Error ? outcome instanceof TypeError : outcome.every((fault) => fault !== "");
      }),
      { numRuns: 150 },
    );
  });
});
