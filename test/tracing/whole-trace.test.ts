import { expect, test } from "vitest";
import type { SpanLink, SpanReference, TraceOptions } from "../../src/index.ts";
import { TraceUpdates } from "../../src/tracing/trace-updates.ts";
import { makeTracer } from "./make-tracer.ts";

test("updateTrace from any span: on all of the trace that end later, the root and other branches too", () => {
  const { tracer, named } = makeTracer();
  const root = tracer.startSpan("root", { userId: "caller", traceMetadata: { a: 1 } });
  const [left, right] = [root.startSpan("left"), root.startSpan("right", { userId: "agent" })];
  root.startSpan("early").end();
  left.startSpan("deep").updateTrace({ sessionId: "s", traceMetadata: { b: 2 } });
  left.updateTrace({ tags: ["found"], traceMetadata: { c: 3 } });
  tracer.startSpan("joined", { traceId: root.traceId }).end();
  tracer.startSpan("another trace").end();
  for (const span of [right, left, root]) span.end();
  const learned = { sessionId: "s", tags: ["found"] };
  expect(named("early").trace).toEqual({ userId: "caller", traceMetadata: { a: 1 } });
  expect(named("joined").trace).toEqual({ ...learned, traceMetadata: { b: 2, c: 3 } });
  expect(named("another trace")).not.toHaveProperty("trace");
  expect(named("right").trace).toEqual({ userId: "agent", ...learned, traceMetadata: { a: 1, b: 2, c: 3 } });
  expect(named("root").trace).toEqual({ userId: "caller", ...learned, traceMetadata: { a: 1, b: 2, c: 3 } });
});

test("updateTrace goes before what a span says itself, and takes only what belongs to a trace", () => {
  const { tracer, named } = makeTracer();
  const span = tracer.startSpan("span", { userId: "mine" });
  span.updateTrace({ userId: "everybody's", input: "x", sessionId: undefined } as unknown as TraceOptions);
  span.end();
  expect(named("span").trace).toEqual({ userId: "everybody's" });
  expect(named("span")).not.toHaveProperty("input");
});

test("what is said of traces is bounded, by number and by characters; the latest stay", () => {
  const many = new TraceUpdates();
  for (let trace = 0; trace < 10_010; trace++) many.add(`trace ${trace}`, { userId: "u" });
  expect([many.of("trace 9"), many.of("trace 10")]).toEqual([undefined, { userId: "u" }]);
  const large = new TraceUpdates();
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  large.add("cyclic", { traceMetadata: cyclic });
  for (let trace = 0; trace < 8; trace++) large.add(`trace ${trace}`, { userId: "x".repeat(1_000_000) });
  expect(["cyclic", "trace 3", "trace 4", "trace 7"].map((trace) => large.of(trace) !== undefined)).toEqual([
    false,
    false,
    true,
    true,
  ]);
});

test("links: at the start and later, to our spans and to others; one that is none is kept as an attribute", () => {
  const { tracer, named } = makeTracer();
  const other = tracer.startSpan("other");
  const elsewhere: SpanLink = {
    traceId: "0AF7651916CD43DD8448EB211C80319C",
    spanId: "b7ad6b7169203331",
    traceState: "a=1",
    attributes: { why: "batch" },
  };
  tracer
    .startSpan("linked", { links: [other, elsewhere] })
    .addLink(other, { why: "retry" })
    .end();
  tracer
    .startSpan("badly linked")
    .addLink({ traceId: "call-7", spanId: "x" })
    .addLink(undefined as unknown as SpanReference)
    .end();
  const { traceId, spanId } = other;
  expect(named("linked").links).toEqual([
    { traceId, spanId },
    { ...elsewhere, traceId: elsewhere.traceId.toLowerCase() },
    { traceId, spanId, attributes: { why: "retry" } },
  ]);
  expect(named("badly linked")).not.toHaveProperty("links");
  expect(named("badly linked").attributes).toMatchObject({ "span_buffer.invalid_link": "call-7 x" });
});
