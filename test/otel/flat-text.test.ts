/** The quick way of OpenTelemetry's spans beside the long one: what is stored must be the same. */
import { type Attributes, type HrTime, SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { TraceState } from "@opentelemetry/core";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { storedForm } from "../../src/buffer/flat-span.ts";
import { serialise } from "../../src/buffer/serialise.ts";
import { flatTextOf } from "../../src/otel/flat-text.ts";
import { payloadOf } from "../../src/otel/readable-span.ts";
import { finishedSpans } from "./providers.ts";

const mostUnits = 2_000;

type Changes = Partial<Record<keyof ReadableSpan, unknown>>;

function spanWith(changes: Changes = {}): ReadableSpan {
  const [span] = finishedSpans(["llm"]);
  const plain = { ...span, spanContext: () => span?.spanContext(), name: "llm", attributes: {}, ...changes };
  return plain as unknown as ReadableSpan;
}

function withAttributes(attributes: Attributes): ReadableSpan {
  return spanWith({ attributes });
}

function byTheLongWay(span: ReadableSpan): unknown {
  return JSON.parse(serialise(payloadOf(span), 1_000_000).text);
}

/** As it comes out of the ring. */
function byTheQuickWay(span: ReadableSpan): unknown {
  const flat = flatTextOf(span, mostUnits);
  return flat === undefined ? undefined : JSON.parse(storedForm(Buffer.from(flat)).toString());
}

/** Of a thousand spans like this one. */
function quickestMs(span: ReadableSpan): number {
  let quickest = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 20; turn++) {
    const startMs = performance.now();
    for (let index = 0; index < 1_000; index++) flatTextOf(span, mostUnits);
    quickest = Math.min(quickest, performance.now() - startMs);
  }
  return quickest;
}

const context = { traceId: "a".repeat(32), spanId: "b".repeat(16), traceFlags: TraceFlags.SAMPLED };

test.each<[string, ReadableSpan]>([
  ["without attributes", spanWith()],
  ["an LLM's answer", withAttributes({ "gen_ai.prompt": '[{"role":"user"}]', temperature: 0.7, stream: true, n: -3 })],
  ["texts that JSON escapes", withAttributes({ text: 'a "b" \\ \n \u0002 \u007f  ü 🙂', 'ke"y\n': "" })],
  ["lists", withAttributes({ tags: ["a", 'b"', ""], sizes: [1, 0.5], flags: [true, false], none: [] })],
  ["lists with gaps", withAttributes({ gaps: ["a", null, undefined, "b"] })],
  ["numbers at the edges", withAttributes({ huge: 1e300, tiny: 5e-324, minusZero: -0, big: 2 ** 60, odd: 0.1 + 0.2 })],
  ["an attribute that is undefined", withAttributes({ some: "a", none: undefined, more: 1 })],
  ["a name that is a number", withAttributes({ 7: "seven", b: "a", 3: "three" })],
  ["every kind", spanWith({ kind: SpanKind.CONSUMER })],
  ["internal", spanWith({ kind: SpanKind.INTERNAL })],
  ["times with few nanoseconds", spanWith({ startTime: [1_790_000_000, 7], endTime: [1_790_000_001, 999_999_999] })],
  ["an error", spanWith({ status: { code: SpanStatusCode.ERROR, message: 'it "broke"\u0000' } })],
  ["well", spanWith({ status: { code: SpanStatusCode.OK } })],
  ["a parent", spanWith({ parentSpanContext: { ...context, spanId: "c".repeat(16) } })],
  ["a trace state", spanWith({ spanContext: () => ({ ...context, traceState: new TraceState("a=1,b=2") }) })],
])("%s goes the quick way, and is stored as by the long one", (_what, span) => {
  const stored = byTheQuickWay(span);
  expect(stored).toBeDefined();
  expect(stored).toEqual(byTheLongWay(span));
});

test.each<[string, ReadableSpan]>([
  ["a separator in a text", withAttributes({ text: "a\0b" })],
  ["a separator in a key", withAttributes({ "a\0b": 1 })],
  ["a separator in the name", spanWith({ name: "a\0b" })],
  ["a text with the mark of JSON", withAttributes({ text: '\u0001{"a":1}' })],
  ["a lone surrogate in a text", withAttributes({ text: "a\ud800b" })],
  ["a lone surrogate in a key", withAttributes({ "k\udc00": 1 })],
  ["a lone surrogate in a list", withAttributes({ list: ["a\ud800"] })],
  ["a lone surrogate in the status", spanWith({ status: { code: SpanStatusCode.ERROR, message: "\ud800" } })],
  ["a long message", spanWith({ status: { code: SpanStatusCode.ERROR, message: "m".repeat(mostUnits + 1) } })],
  ["a status that is none", spanWith({ status: { code: 2n } })],
  ["a message that is no text", spanWith({ status: { code: SpanStatusCode.ERROR, message: { toJSON: () => "m" } } })],
  ["a long name", spanWith({ name: "n".repeat(mostUnits) })],
  ["a long text", withAttributes({ text: "t".repeat(mostUnits) })],
  ["many texts", withAttributes(Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`key ${index}`, "t"])))],
  ["a long list", withAttributes({ list: Array<number>(mostUnits).fill(1) })],
  ["a list of long texts", withAttributes({ list: ["t".repeat(mostUnits)] })],
  ["an object", withAttributes({ value: { a: 1 } as never })],
  ["null", withAttributes({ value: null as never })],
  ["no number", withAttributes({ value: Number.NaN })],
  ["a big one", withAttributes({ value: 1n as never })],
  ["a list of lists", withAttributes({ value: [["a"]] as never })],
  ["no name", spanWith({ name: undefined })],
  ["times before 1970", spanWith({ startTime: [-1, 0] })],
  ["half a nanosecond", spanWith({ startTime: [1_790_000_000, 0.5] })],
  ["too many nanoseconds", spanWith({ startTime: [1_790_000_000, 1e9] })],
  ["half a second", spanWith({ endTime: [1_790_000_000.5, 0] })],
  ["an event", spanWith({ events: [{ name: "first", time: [1, 1] as HrTime }] })],
  ["a link", spanWith({ links: [{ context }] })],
  ["a dropped attribute", spanWith({ droppedAttributesCount: 1 })],
  ["a dropped event", spanWith({ droppedEventsCount: 1 })],
  ["a dropped link", spanWith({ droppedLinksCount: 1 })],
])("%s goes the long way", (_what, span) => {
  expect(flatTextOf(span, mostUnits)).toBeUndefined();
});

const long = "t".repeat(100_000_000);

test.each<[string, ReadableSpan]>([
  ["a text", withAttributes({ text: long })],
  ["a text in a list", withAttributes({ list: ["a", long] })],
  ["a list", withAttributes({ list: Array<number>(1_000_000).fill(1) })],
  ["a message", spanWith({ status: { code: SpanStatusCode.ERROR, message: long } })],
])("%s that is far too long is not even looked at", (_what, span) => {
  const small = withAttributes({ text: "t" });
  expect(quickestMs(span)).toBeLessThan(10 * quickestMs(small));
});

test("a span that ends while another is looked at does not get into it", () => {
  const inner = spanWith({ name: "inner" });
  const outer = spanWith({ name: "outer", attributes: { first: "a" } });
  Object.defineProperty(outer.attributes, "second", {
    enumerable: true,
    get: () => (flatTextOf(inner, mostUnits), "b"),
  });
  expect(byTheQuickWay(outer)).toEqual(byTheLongWay(outer));
  expect(byTheQuickWay(outer)).toMatchObject({ name: "outer", attributes: { first: "a", second: "b" } });
});

test("whatever the attributes are, both ways store the same", () => {
  const odd = fc.constantFrom("\0", "\u0001", '"', "\\", "\ud800", "\u2028", "\u0002");
  const usual = { arbitrary: fc.string({ unit: "grapheme" }), weight: 20 };
  const text = fc.oneof(usual, { arbitrary: fc.array(odd).map((units) => units.join("")), weight: 1 });
  const value = fc.oneof(
    text,
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.array(text),
    fc.array(fc.option(fc.double(), { nil: null })),
    fc.constant(undefined),
  );
  let quick = 0;
  fc.assert(
    fc.property(fc.dictionary(text, value), text, (attributes, name) => {
      const span = spanWith({ attributes: { ...attributes }, name });
      const stored = byTheQuickWay(span);
      if (stored === undefined) return;
      quick++;
      expect(stored).toEqual(byTheLongWay(span));
    }),
    { numRuns: 1_000 },
  );
  expect(quick).toBeGreaterThan(200);
});
