/** The rules of OTLP's JSON encoding, and what senders make of them. */
import { expect, test } from "vitest";
import { JsonSpans } from "../../src/otlp/json-spans.ts";
import type { SourceSpan } from "../../src/otlp/span-source.ts";

function read(span: object): SourceSpan["span"] {
  const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  return (new JsonSpans(Buffer.from(body)).at(0) as SourceSpan).span;
}

test.each([
  {},
  { resourceSpans: [] },
  { resourceSpans: null },
  { resourceSpans: [{ scopeSpans: null }] },
  { other: 1 },
])("%j is an empty request", (request) => {
  expect(new JsonSpans(Buffer.from(JSON.stringify(request))).count).toBe(0);
});

test.each<[unknown, number | undefined]>([
  [3, 3],
  ["3", 3],
  ["SPAN_KIND_CLIENT", 3],
  ["SPAN_KIND_CONSUMER", 5],
  ["toString", undefined],
  [null, undefined],
  [{}, undefined],
])("kind %j is %j", (kind, expected) => {
  expect(read({ kind }).kind).toBe(expected);
});

test.each<[unknown, object]>([
  [
    { code: 2, message: "m" },
    { code: 2, message: "m" },
  ],
  [{ code: "STATUS_CODE_ERROR" }, { code: 2 }],
  [{ code: "STATUS_CODE_OK", message: null }, { code: 1 }],
  [{}, {}],
  [null, {}],
  ["error", {}],
])("status %j is %j", (status, expected) => {
  expect(read({ status }).status).toEqual(expected);
});

test.each<[unknown, string | undefined]>([
  ["1793520001000000001", "1793520001000000001"],
  [1_793_520_001_000_000_000, "1793520001000000000"],
  [0, "0"],
  ["-1", undefined],
  [-1, undefined],
  [1.5, undefined],
  ["", undefined],
  ["2026-11-01T08:00:00Z", undefined],
  [null, undefined],
])("time %j is %j", (startTimeUnixNano, expected) => {
  expect(read({ startTimeUnixNano }).startTimeUnixNano).toBe(expected);
});

test.each<[unknown, object]>([
  [{ stringValue: "s" }, { stringValue: "s" }],
  [{ stringValue: "" }, { stringValue: "" }],
  [{ boolValue: false }, { boolValue: false }],
  [{ intValue: 7 }, { intValue: "7" }],
  [{ intValue: "-9223372036854775808" }, { intValue: "-9223372036854775808" }],
  [{ doubleValue: 0.5 }, { doubleValue: 0.5 }],
  [{ doubleValue: "NaN" }, { doubleValue: "NaN" }],
  [{ doubleValue: "1.5" }, { doubleValue: "1.5" }],
  [{ bytesValue: "AAEC" }, { bytesValue: "AAEC" }],
  [{ arrayValue: {} }, { arrayValue: { values: [] } }],
  [{ arrayValue: { values: [{ intValue: 1 }, null] } }, { arrayValue: { values: [{ intValue: "1" }, {}] } }],
  [{ kvlistValue: { values: [{ key: "k" }] } }, { kvlistValue: { values: [{ key: "k", value: {} }] } }],
  [{ kvlistValue: { values: [{ value: {} }, 5] } }, { kvlistValue: { values: [] } }],
  [{ stringValue: null, intValue: 1 }, { intValue: "1" }],
  [{}, {}],
  [{ stringValue: null }, {}],
  [null, {}],
  // No values of OTLP's: as texts, so that nothing is lost.
  ["plain", { stringValue: "plain" }],
  [5, { stringValue: "5" }],
  [[1, 2], { stringValue: "[1,2]" }],
  [{ intValue: "seven" }, { stringValue: "seven" }],
  [{ intValue: 1.5 }, { stringValue: "1.5" }],
  [{ doubleValue: "much" }, { stringValue: "much" }],
  [{ stringValue: 5 }, { stringValue: '{"stringValue":5}' }],
  [{ arrayValue: [1] }, { stringValue: "[1]" }],
  [{ arrayValue: { values: "x" } }, { stringValue: '{"values":"x"}' }],
])("value %j is %j", (value, expected) => {
  expect(read({ attributes: [{ key: "k", value }] }).attributes).toEqual([{ key: "k", value: expected }]);
});

test.each([
  [3, 3],
  ["3", 3],
  [0, 0],
  [-1, undefined],
  [0.5, undefined],
  ["many", undefined],
  [null, undefined],
])("a count of what was dropped, %j, is %j", (count, expected) => {
  const counts = { droppedAttributesCount: count };
  const { droppedAttributesCount, events, links } = read({ ...counts, events: [counts], links: [counts] });
  for (const part of [{ droppedAttributesCount }, ...(events ?? []), ...(links ?? [])]) {
    expect(part.droppedAttributesCount).toBe(expected);
  }
});

test("a number too large for one is a text", () => {
  const body =
    '{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"k","value":{"doubleValue":1e999}}]}]}]}]}';
  const { span } = new JsonSpans(Buffer.from(body)).at(0) as SourceSpan;
  expect(span.attributes).toEqual([{ key: "k", value: { stringValue: "Infinity" } }]);
});

test("unknown fields and null are passed over, everywhere", () => {
  const span = read({
    flags: 256,
    name: null,
    traceState: null,
    attributes: [{ key: "k", value: { stringValue: "v", more: 1 }, other: {} }],
    events: [{ name: "e", timeUnixNano: 5, other: 1 }, { attributes: null }, "none"],
    links: [{ traceId: "t", other: 1 }],
    entirelyNew: { a: [] },
  });
  expect(span).toEqual({
    name: "",
    attributes: [{ key: "k", value: { stringValue: "v" } }],
    events: [
      { name: "e", timeUnixNano: "5", attributes: [] },
      { name: "", timeUnixNano: "0", attributes: [] },
    ],
    links: [{ traceId: "t", spanId: "", attributes: [] }],
    status: {},
  });
});
