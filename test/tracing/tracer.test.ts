import { expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import type { SpanStatus, UpdateFields } from "../../src/index.ts";
import { toUnixNano } from "../../src/tracing/clock.ts";
import { isSampled, newSpanId, newTraceId } from "../../src/tracing/ids.ts";
import type { FlatSpanSink, Tracer } from "../../src/tracing/tracer.ts";
import { makeTracer } from "./make-tracer.ts";

test("ids are W3C's: lowercase hex, never zero, never the same", () => {
  const traceIds = Array.from({ length: 10_000 }, newTraceId);
  const spanIds = Array.from({ length: 10_000 }, newSpanId);
  for (const id of traceIds) expect(id).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
  for (const id of spanIds) expect(id).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
  expect(new Set([...traceIds, ...spanIds]).size).toBe(20_000);
});

test("a child carries its trace and its parent", () => {
  const { tracer, spans } = makeTracer();
  const root = tracer.startSpan("root");
  const child = root.startSpan("child");
  child.startSpan("grandchild").end();
  child.end();
  root.end();
  const [grandchild, childSpan, rootSpan] = spans;
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([root.traceId]));
  expect(grandchild?.parentSpanId).toBe(child.spanId);
  expect(childSpan?.parentSpanId).toBe(root.spanId);
  expect(rootSpan?.parentSpanId).toBeUndefined();
});

test("what belongs to the trace is on every span under the root, also what is learned later", () => {
  const { tracer, spans } = makeTracer();
  const root = tracer.startSpan("root", { sessionId: "s", tags: ["a"] });
  const early = root.startSpan("early");
  const late = early.startSpan("late");
  early.end();
  root.update({ userId: "u" });
  late.end();
  root.end();
  expect(spans.map(({ trace }) => trace)).toEqual([
    { sessionId: "s", tags: ["a"] },
    { sessionId: "s", tags: ["a"], userId: "u" },
    { sessionId: "s", tags: ["a"], userId: "u" },
  ]);
});

test("a field of the trace given to a child holds for the child and below, not for its parent or siblings", () => {
  const { tracer, spans } = makeTracer();
  const root = tracer.startSpan("root", { userId: "caller" });
  const transferred = root.startSpan("transferred", { userId: "agent" });
  transferred.startSpan("under it").end();
  root.startSpan("sibling").end();
  transferred.end();
  root.end();
  expect(Object.fromEntries(spans.map(({ name, trace }) => [name, trace?.userId]))).toEqual({
    "under it": "agent",
    sibling: "caller",
    transferred: "agent",
    root: "caller",
  });
});

test("environment, release and service name are on every span, unless it names its own", () => {
  const { tracer, spans } = makeTracer({ environment: "prod", release: "r1", serviceName: "bot" });
  tracer.startSpan("own").end();
  const record = { traceId: newTraceId(), spanId: newSpanId(), name: "r", startTimeUnixNano: 1n, endTimeUnixNano: 2n };
  tracer.record(record);
  tracer.record({ ...record, attributes: { "langfuse.environment": "test", "langfuse.release": "r9" } });
  tracer.record({ ...record, attributes: [{ key: "deployment.environment", value: { stringValue: "test" } }] });
  expect(spans.map(({ environment, release }) => [environment, release])).toEqual([
    ["prod", "r1"],
    ["prod", "r1"],
    [undefined, undefined],
    [undefined, "r1"],
  ]);
});

test("a record is not written to, and may be frozen", () => {
  const { tracer, spans } = makeTracer({ environment: "prod" });
  const record = Object.freeze({
    traceId: newTraceId(),
    spanId: newSpanId(),
    name: "frozen",
    startTimeUnixNano: "1",
    endTimeUnixNano: "2",
  });
  tracer.record(record);
  expect(spans[0]).toEqual({ ...record, environment: "prod" });
});

test("times are nanoseconds as text, monotonic within a trace", () => {
  const { tracer, spans } = makeTracer();
  const root = tracer.startSpan("root");
  const child = root.startSpan("child");
  child.end();
  root.end();
  const [childSpan, rootSpan] = spans as [SpanPayload, SpanPayload];
  const times = [
    rootSpan.startTimeUnixNano,
    childSpan.startTimeUnixNano,
    childSpan.endTimeUnixNano,
    rootSpan.endTimeUnixNano,
  ].map(BigInt);
  expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
  expect(Math.abs(Number((times[0] as bigint) / 1_000_000n) - Date.now())).toBeLessThan(5_000);
});

test.each([
  [new Date(1_793_520_001_000), "1793520001000000000"],
  [1_793_520_001_000.5, "1793520001000500000"],
  [0, "0"],
  [Number.NaN, undefined],
  [-1, undefined],
  [new Date(Number.NaN), undefined],
  [1e300, undefined],
])("toUnixNano(%s)", (time, expected) => {
  expect(toUnixNano(time)).toBe(expected);
});

test("given times are used, and nonsense is not", () => {
  const { tracer, spans } = makeTracer();
  tracer.startSpan("given", { startTime: 1000 }).end(2000);
  tracer.startSpan("nonsense", { startTime: Number.NaN }).end(new Date(Number.NaN));
  expect(spans[0]).toMatchObject({ startTimeUnixNano: "1000000000", endTimeUnixNano: "2000000000" });
  expect(spans[1]?.startTimeUnixNano).toMatch(/^\d{19}$/);
});

test("the second end is ignored and counted", () => {
  const { tracer, spans } = makeTracer();
  const span = tracer.startSpan("once");
  span.end();
  span.end();
  expect(spans.length).toBe(1);
  expect(tracer.endedTwice).toBe(1);
});

test("attributes, events, exceptions and status", () => {
  const { tracer, spans } = makeTracer();
  const given = { a: 1 };
  tracer
    .startSpan("rich", { attributes: given })
    .setAttribute("b", "two")
    .setAttributes({ c: [3] })
    .addEvent("happened", { why: "because" }, 5)
    .recordException(new TypeError("wrong"))
    .setStatus({ code: "error", message: "failed" })
    .end();
  expect(spans[0]).toMatchObject({ attributes: { a: 1, b: "two", c: [3] }, status: { code: 2, message: "failed" } });
  expect(spans[0]?.events).toMatchObject([
    { name: "happened", timeUnixNano: "5000000", attributes: { why: "because" } },
    { name: "exception", attributes: { "exception.type": "TypeError", "exception.message": "wrong" } },
  ]);
  expect(given).toEqual({ a: 1 });
});

test("metadata of several calls is merged, other fields are replaced", () => {
  const { tracer, spans } = makeTracer();
  tracer
    .startSpan("m", { metadata: { a: 1 }, input: 1 })
    .update({ metadata: { b: 2 }, input: 2 })
    .end();
  expect(spans[0]).toMatchObject({ metadata: { a: 1, b: 2 }, input: 2 });
});

test("ids of other systems are put right, and what is no id is kept as an attribute", () => {
  const { tracer, spans } = makeTracer();
  tracer.startSpan("uuid", { traceId: "5B8EFFF7-9803-8103-D269-B633813FC60C", parentSpanId: "B000000000000001" }).end();
  tracer.startSpan("nonsense", { traceId: "call-7", parentSpanId: "x" }).end();
  expect(spans[0]).toMatchObject({ traceId: "5b8efff798038103d269b633813fc60c", parentSpanId: "b000000000000001" });
  expect(spans[1]?.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(spans[1]?.attributes).toEqual({
    "span_buffer.invalid_trace_id": "call-7",
    "span_buffer.invalid_parent_span_id": "x",
  });
});

test("sampling is by trace: whole traces, in about the wanted share, the same in every process", () => {
  const { tracer, spans, sampledOut } = makeTracer({ sampleRate: 0.25 });
  for (let index = 0; index < 4_000; index++) {
    const root = tracer.startSpan("root");
    root.startSpan("child").end();
    root.end();
  }
  expect(spans.length + sampledOut()).toBe(8_000);
  const perTrace = Map.groupBy(spans, ({ traceId }) => traceId);
  expect([...perTrace.values()].every((group) => group.length === 2)).toBe(true);
  expect(perTrace.size).toBeGreaterThan(800);
  expect(perTrace.size).toBeLessThan(1_200);
  const id = newTraceId();
  expect(isSampled(id, 0.5)).toBe(isSampled(id, 0.5));
});

const hostileTime: Date = new (class extends Date {
  override getTime(): number {
    throw new Error("no time");
  }
})();

test("nothing that a caller hands over makes a call throw", () => {
  const { tracer, spans } = makeTracer({ environment: "prod" });
  const hostile = new Proxy(
    {},
    {
      get: () => {
        throw new Error("get");
      },
      ownKeys: () => {
        throw new Error("keys");
      },
    },
  );
  const root = tracer.startSpan("root", hostile);
  root
    .update(hostile)
    .update(undefined as unknown as UpdateFields)
    .update(7 as unknown as UpdateFields);
  root.setAttributes(hostile).recordException(undefined).recordException(hostile);
  const secretive = new Error("x");
  Object.defineProperty(secretive, "message", {
    get: () => {
      throw new Error("no message");
    },
  });
  const badInput = {
    get input(): unknown {
      throw secretive;
    },
  };
  root.recordException(secretive).update(badInput).setAttributes(badInput);
  root.addEvent("e", {}, hostileTime).setAttribute("__proto__", hostile);
  root.startSpan("bad end").end(hostileTime);
  root.setStatus(undefined as unknown as SpanStatus).setStatus(hostile as SpanStatus);
  root.startSpan("child", { startTime: "yesterday" as unknown as number, metadata: null }).end();
  for (const record of [undefined, null, 7, "span", {}, hostile, Object.freeze({ name: "frozen" })]) {
    expect(() => tracer.record(record as Parameters<Tracer["record"]>[0])).not.toThrow();
  }
  expect(spans.length).toBeGreaterThan(0);
});

test("a recorder takes flat spans only as long as leaves room for what all spans share", () => {
  const offered: (string | undefined)[] = [];
  const sinkOf = (mostFlatUnits: number): FlatSpanSink => ({
    maxSpanBytes: 10_000,
    mostFlatUnits,
    offer: () => true,
    sampleOut: () => false,
    offerFlat(_text, constants) {
      offered.push(constants?.text);
      return true;
    },
  });
  const resource = { attributes: { "service.name": "bot" } };
  const { flat } = makeTracer({ sink: sinkOf(1_000), environment: "prod", release: "1" }).tracer.recorderFor({
    resource,
  });
  flat?.record("", {});
  const text = `,${JSON.stringify({ resource, environment: "prod", release: "1" }).slice(1)}`;
  expect(offered).toEqual([text]);
  expect(flat?.mostUnits).toBe(1_000 - text.length);
  const tight = makeTracer({ sink: sinkOf(text.length), environment: "prod", release: "1" });
  expect(tight.tracer.recorderFor({ resource }).flat).toBeUndefined();
});
