import { expect, test } from "vitest";
import { extract } from "../../src/index.ts";
import { makeTracer } from "./make-tracer.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const header = `00-${traceId}-${spanId}-01`;

test.each<[string, string | string[] | undefined]>([
  ["version 00", header],
  ["blanks around it", `  ${header}\t`],
  ["not sampled: each service decides by trace id", `00-${traceId}-${spanId}-00`],
  ["flags of the future", `00-${traceId}-${spanId}-ff`],
  ["a later version", `cc-${traceId}-${spanId}-01`],
  ["a later version that says more", `cc-${traceId}-${spanId}-01-what-the-future-brings`],
  ["a list of one", [header]],
])("traceparent is read: %s", (_name, traceparent) => {
  expect(extract({ traceparent })).toEqual({ traceId, parentSpanId: spanId });
});

test.each<[string, unknown]>([
  ["absent", undefined],
  ["empty", ""],
  ["no text", 7],
  ["version ff", `ff-${traceId}-${spanId}-01`],
  ["version 00 that says more", `${header}-more`],
  ["a later version without its dash", `cc-${traceId}-${spanId}-01more`],
  ["upper case", header.toUpperCase()],
  ["trace id of zeros", `00-${"0".repeat(32)}-${spanId}-01`],
  ["parent id of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
  ["trace id too short", `00-${traceId.slice(1)}-${spanId}-01`],
  ["flags of one digit", `00-${traceId}-${spanId}-1`],
  ["no flags", `00-${traceId}-${spanId}`],
  ["an id that is not hex", `00-${traceId.replace("a", "g")}-${spanId}-01`],
  ["other separators", header.replaceAll("-", "_")],
  ["twice, joined", `${header}, ${header}`],
  ["twice, as a list", [header, header]],
])("traceparent is not used: %s", (_name, traceparent) => {
  expect(extract({ traceparent, tracestate: "a=1" })).toEqual({});
});

test.each<[string, string | string[], string | undefined]>([
  ["one member", "rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7"],
  ["blanks and empty members", " a=1 ,, b=2\t,", "a=1,b=2"],
  ["several headers", ["a=1", "b=2"], "a=1,b=2"],
  ["a tenant's key", "fw529a3039@dt=FfZgfI", "fw529a3039@dt=FfZgfI"],
  ["a value with blanks inside", "a=1 2", "a=1 2"],
  ["32 members", Array.from({ length: 32 }, (_, index) => `k${index}=1`).join(","), expect.stringContaining("k31=1")],
  ["33 members", Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(","), undefined],
  ["the same key twice", "a=1,a=2", undefined],
  ["a key in upper case", "A=1", undefined],
  ["a member without a value", "a=", undefined],
  ["a member without a key", "=1", undefined],
  ["no member", "a", undefined],
  ["two equals signs", "a=1=2", undefined],
  ["a key of 257 characters", `${"a".repeat(257)}=1`, undefined],
  ["a value of 256 characters", `a=${"1".repeat(256)}`, `a=${"1".repeat(256)}`],
  ["a value of 257 characters", `a=${"1".repeat(257)}`, undefined],
  ["a value that is not ASCII", "a=é", undefined],
])("tracestate: %s; a wrong one costs only itself", (_name, tracestate, expected) => {
  const { traceState, ...parent } = extract({ traceparent: header, tracestate });
  expect(parent).toEqual({ traceId, parentSpanId: spanId });
  expect(traceState).toEqual(expected);
});

test("Langfuse's entries in baggage become fields of the trace; others are nobody's", () => {
  const baggage = [
    "langfuse_user_id=user%201;property=1",
    "langfuse_session_id = call-4711 ",
    "langfuse_trace_name=voice%20call",
    "langfuse_tags=voice%2Cde",
    "langfuse_metadata_campaign=autumn",
    `langfuse_metadata_long=${"x".repeat(201)}`,
    "langfuse_trace_id=1",
    "other=1",
    "langfuse_user_id",
  ].join(",");
  expect(extract({ traceparent: header, baggage })).toEqual({
    traceId,
    parentSpanId: spanId,
    userId: "user 1",
    sessionId: "call-4711",
    traceName: "voice call",
    tags: ["voice", "de"],
    traceMetadata: { campaign: "autumn" },
  });
  expect(extract({ baggage: "langfuse_user_id=u" })).toEqual({ userId: "u" });
  expect(extract({ baggage: "langfuse_user_id=%E0%A4%A" })).toEqual({});
  expect(extract({ baggage: `langfuse_user_id=u,x=${"y".repeat(8_192)}` })).toEqual({});
});

test("carriers: Headers, objects in any case, and what throws", () => {
  const expected = { traceId, parentSpanId: spanId, traceState: "a=1" };
  expect(extract(new Headers({ Traceparent: header, TraceState: "a=1" }))).toEqual(expected);
  expect(extract({ TraceParent: header, TRACESTATE: "a=1" })).toEqual(expected);
  const hostile = new Proxy(
    {},
    {
      has() {
        throw new Error("no");
      },
    },
  );
  expect(extract(hostile)).toEqual({});
  expect(extract(undefined as unknown as object)).toEqual({});
  const { tracer, spans } = makeTracer();
  const span = tracer.startSpan("span");
  for (const carrier of [Object.freeze({}), undefined as unknown as object]) expect(span.inject(carrier)).toBe(carrier);
  span.end();
  expect(spans[0]?.attributes).toHaveProperty(["span_buffer.unreadable"]);
});

test("a trace across two services: same ids, state and, when asked for, what belongs to the trace", () => {
  const caller = makeTracer();
  const called = makeTracer();
  const request = caller.tracer.startSpan("request", {
    ...extract({ traceparent: header, tracestate: "a=1,b=2" }),
    userId: "user 1",
    tags: ["voice", "a,b"],
    traceMetadata: { campaign: "Grüße", "not a token": "x", nested: {} },
  });
  const call = request.startSpan("call");
  expect(call.inject({ TRACEPARENT: "old" })).toEqual({
    traceparent: `00-${traceId}-${call.spanId}-01`,
    tracestate: "a=1,b=2",
  });
  request.updateTrace({ sessionId: "s" });
  const headers = call.inject(new Headers({ baggage: "other=1,langfuse_user_id=old" }), { baggage: true });
  expect(headers.get("baggage")).toBe(
    "other=1,langfuse_user_id=user%201,langfuse_session_id=s,langfuse_tags=voice%2Ca%2Cb,langfuse_metadata_campaign=Gr%C3%BC%C3%9Fe",
  );
  called.tracer.startSpan("answer", extract(headers)).startSpan("below").end();
  call.end();
  request.end();
  expect(called.named("below")).toMatchObject({
    traceId,
    traceState: "a=1,b=2",
    trace: { userId: "user 1", sessionId: "s", tags: ["voice", "a", "b"], traceMetadata: { campaign: "Grüße" } },
  });
  expect(caller.named("request")).toMatchObject({ traceId, parentSpanId: spanId, traceState: "a=1,b=2" });
});

test("a trace that is not in the sample says so", () => {
  const { tracer } = makeTracer({ sampleRate: 0 });
  const { traceparent } = tracer.startSpan("left out").inject<{ traceparent?: string }>({});
  expect(traceparent).toMatch(/-00$/);
});

test("baggage has room for 64 members and 8,192 bytes; what does not fit stays at home", () => {
  const { tracer } = makeTracer();
  const traceMetadata = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, "x"]));
  const count = (fields: object, existing?: string): string[] => {
    const carrier: Record<string, string> = existing === undefined ? {} : { baggage: existing };
    return (tracer.startSpan("span", fields).inject(carrier, { baggage: true })["baggage"] ?? "").split(",");
  };
  expect(count({ traceMetadata }).length).toBe(64);
  const full = `other=${"y".repeat(8_150)}`;
  expect(count({ userId: "x".repeat(100), sessionId: "s" }, full)).toEqual([full, "langfuse_session_id=s"]);
  expect(count({ userId: "x".repeat(201), sessionId: "\ud800" })).toEqual(["langfuse_session_id=%EF%BF%BD"]);
});
