/** Sound requests of every shape, in the form that both decoders make of them. */
import fc from "fast-check";
import type { OtlpAnyValue, OtlpKeyValue, OtlpRequest, OtlpSpan } from "../../src/otlp/otlp-shape.ts";

const text = fc.string({ unit: "grapheme", maxLength: 30 });
const key = fc.oneof(fc.constantFrom("gen_ai.request.model", "user.id", "ü.😀", "k".repeat(60)), text);
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, -1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -200n, max: 200n }),
);
const double = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
  fc.constantFrom("NaN", "Infinity", "-Infinity"),
);

const { anyValue } = fc.letrec<{ anyValue: OtlpAnyValue; keyValue: OtlpKeyValue }>((tie) => ({
  anyValue: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.record({ stringValue: text }),
    fc.record({ boolValue: fc.boolean() }),
    fc.record({ intValue: int64.map(String) }),
    fc.record({ doubleValue: double }),
    fc.record({ bytesValue: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("base64")) }),
    fc.constant({}),
    fc.record({ arrayValue: fc.record({ values: fc.array(tie("anyValue"), { maxLength: 4 }) }) }),
    fc.record({ kvlistValue: fc.record({ values: fc.array(tie("keyValue"), { maxLength: 4 }) }) }),
  ),
  keyValue: fc.record({ key, value: tie("anyValue") }),
}));

const attributes = fc.array(fc.record({ key, value: anyValue }), { maxLength: 6 });
export const unixNano: fc.Arbitrary<string> = fc
  .oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: 1_793_520_000_000_000_000n, max: 1_793_520_010_000_000_000n }),
    fc.constantFrom(
      0n,
      1n,
      999_999_999n,
      10n ** 9n,
      10n ** 9n + 1n,
      2n ** 32n - 1n,
      2n ** 32n,
      2n ** 53n,
      2n ** 64n - 1n,
    ),
  )
  .map(String);
const id = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((id) => {
    // Zeros are no id.
    id[0] = 1;
    return Buffer.from(id).toString("hex");
  });

/** Attributes that an event or a link may have lost; nearly all have lost none. */
const losing = <Part>(part: fc.Arbitrary<Part>): fc.Arbitrary<Part> =>
  fc.oneof(
    { arbitrary: part, weight: 3 },
    fc.tuple(part, fc.nat(200)).map(([one, droppedAttributesCount]) => ({ ...one, droppedAttributesCount })),
  );

const span: fc.Arbitrary<OtlpSpan> = fc.record(
  {
    traceId: id(16),
    spanId: id(8),
    parentSpanId: id(8),
    traceState: text.filter((text) => text !== ""),
    name: text,
    kind: fc.nat(5),
    startTimeUnixNano: unixNano,
    endTimeUnixNano: unixNano,
    attributes,
    events: fc.array(losing(fc.record({ name: text, timeUnixNano: unixNano, attributes })), { maxLength: 2 }),
    links: fc.array(losing(fc.record({ traceId: id(16), spanId: id(8), attributes })), { maxLength: 2 }),
    droppedAttributesCount: fc.nat(999_999_999),
    droppedEventsCount: fc.nat(200),
    droppedLinksCount: fc.nat(200),
    status: fc.record({ code: fc.nat(2), message: text }),
  },
  { requiredKeys: ["traceId", "spanId", "startTimeUnixNano", "endTimeUnixNano"] },
);

export const request: fc.Arbitrary<OtlpRequest> = fc.record({
  resourceSpans: fc.array(
    fc.record(
      {
        resource: fc.record({ attributes }),
        scopeSpans: fc.array(
          fc.record(
            {
              scope: fc.record({ name: text, version: text, attributes }, { requiredKeys: ["name"] }),
              spans: fc.array(span, { maxLength: 4 }),
            },
            { requiredKeys: ["spans"] },
          ),
          { maxLength: 3 },
        ),
      },
      { requiredKeys: ["scopeSpans"] },
    ),
    { maxLength: 3 },
  ),
}) as fc.Arbitrary<OtlpRequest>;
