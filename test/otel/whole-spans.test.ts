/** Spans with everything in them: what arrives through the buffer beside what OpenTelemetry's own exporter sends of them. */
import { type Attributes, type HrTime, SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { TraceState } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { describe, expect, test } from "vitest";
import type { SpanBufferOptions } from "../../src/index.ts";
import { BufferedSpanExporter } from "../../src/otel/index.ts";
import { payloadOf } from "../../src/otel/readable-span.ts";
import { type OtlpKeyValue, type OtlpRequest, plainAttributes } from "../../src/otlp/otlp-shape.ts";
import { otlpPath, scriptedServer, stored } from "../export/scripted-server.ts";
import { bufferFor, standIn } from "../support/buffers.ts";
import { countingIds, finishedSpans } from "./providers.ts";

const allTypes: Attributes = {
  text: "a",
  empty: "",
  unicode: "Grüße 🕙 \u0000 \\ud800",
  whole: 7,
  negative: -7,
  zero: 0,
  half: 0.5,
  huge: 1e300,
  "beyond 2^53": 2 ** 60,
  yes: true,
  no: false,
  texts: ["a", "", "ü"],
  numbers: [1, 0.5, -3],
  flags: [true, false],
  gaps: ["a", null, undefined, "b"],
  none: [],
  "langfuse.trace.tags": ["a", "b"],
  "langfuse.observation.metadata.list": ["x"],
};

/** Every part that a span may have, some more than once, and some beyond the limits. */
function everything(): ReadableSpan[] {
  const finished = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    idGenerator: countingIds(),
    resource: resourceFromAttributes({ "service.name": "bot", "host.cpus": 4, tags: ["a", "b"], "is.test": true }),
    spanLimits: {
      attributeCountLimit: 20,
      eventCountLimit: 3,
      linkCountLimit: 2,
      attributePerEventCountLimit: 2,
      attributePerLinkCountLimit: 1,
    },
    spanProcessors: [new SimpleSpanProcessor(finished)],
  });
  const tracer = provider.getTracer("my.scope", "1.2", { schemaUrl: "https://example.org/schema" });
  const other = provider.getTracer("other");
  const remote = {
    traceId: "f".repeat(32),
    spanId: "e".repeat(16),
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
    traceState: new TraceState("vendor=1,other=2"),
  };
  const kinds = [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER];
  for (const kind of kinds) tracer.startSpan(`kind ${kind}`, { kind, attributes: allTypes }).end();

  const parent = tracer.startSpan("parent", { startTime: [1_793_520_000, 1] });
  const links = [1, 2, 3].map((number) => ({ context: remote, attributes: { number, lost: true } }));
  const full = other.startSpan("child", { startTime: new Date(1_793_520_000_250), links, root: true });
  for (let index = 0; index < 30; index++) full.setAttribute(`attribute.${index}`, index);
  for (let index = 0; index < 5; index++) {
    full.addEvent(`event ${index}`, { ...allTypes, index }, [1_793_520_000, 300_000_000 + index]);
  }
  full.addEvent("bare", 1_793_520_000_400.25);
  full.setStatus({ code: SpanStatusCode.ERROR, message: "broke" });
  full.end(1_793_520_000_500);
  parent.setStatus({ code: SpanStatusCode.OK });
  parent.end([1_793_520_001, 999_999_999]);
  const [child] = finished.getFinishedSpans().filter(({ name }) => name === "child") as [ReadableSpan];
  return [
    ...finished.getFinishedSpans(),
    // What a propagator would make of it.
    Object.create(child, {
      name: { value: "remote parent" },
      parentSpanContext: { value: remote },
      spanContext: { value: () => ({ ...remote, spanId: "d".repeat(16) }) },
    }) as ReadableSpan,
  ];
}

interface Spans {
  name?: string;
}

/** The spans of requests in one form: what protobuf does not write for a default is written, values are plain. */
function spansIn(requests: readonly { path: string; body: string }[]): Spans[] {
  return requests
    .filter(({ path }) => path === otlpPath)
    .flatMap(({ body }) => (JSON.parse(body) as OtlpRequest).resourceSpans ?? [])
    .flatMap(({ resource, scopeSpans = [] }) =>
      scopeSpans.flatMap(({ scope, spans = [] }) =>
        spans.map((span) => ({
          ...counted(span),
          droppedEventsCount: span.droppedEventsCount ?? 0,
          droppedLinksCount: span.droppedLinksCount ?? 0,
          parentSpanId: span.parentSpanId ?? "",
          status: { code: span.status?.code ?? 0, message: span.status?.message ?? "" },
          events: (span.events ?? []).map(counted),
          links: (span.links ?? []).map(counted),
          resource: plainAttributes(resource?.attributes),
          scope: { name: scope?.name, version: scope?.version ?? "", ...plainAttributes(scope?.attributes) },
        })),
      ),
    )
    .toSorted((a, b) => String(a.name).localeCompare(String(b.name)));
}

function counted<Part extends { attributes?: OtlpKeyValue[]; traceState?: string; droppedAttributesCount?: number }>(
  part: Part,
): Omit<Part, "attributes"> {
  const { flags: _notRead, ...rest } = part as Part & { flags?: number };
  return {
    ...rest,
    traceState: part.traceState ?? "",
    droppedAttributesCount: part.droppedAttributesCount ?? 0,
    attributes: Object.fromEntries(
      Object.entries(plainAttributes(part.attributes)).map(([key, value]) => [key, asLangfuseReads(key, value)]),
    ),
  } as never;
}

/** Langfuse keeps a list of its own as JSON text, whichever of the two it gets; but for the tags. */
function asLangfuseReads(key: string, value: unknown): unknown {
  const isText = key.startsWith("langfuse.") && key !== "langfuse.trace.tags" && typeof value === "object";
  return isText ? JSON.stringify(value) : value;
}

async function sentByOpenTelemetry(spans: ReadableSpan[]): Promise<Spans[]> {
  await using server = await scriptedServer(stored);
  const exporter = new OTLPTraceExporter({ url: `${server.url}${otlpPath}` });
  const { code } = await new Promise<{ code: number }>((resolve) => exporter.export(spans, resolve));
  expect(code).toBe(0);
  await exporter.shutdown();
  return spansIn(server.requests);
}

async function sentByUs(spans: ReadableSpan[], options: SpanBufferOptions): Promise<Spans[]> {
  await using server = await scriptedServer(stored);
  const buffer = bufferFor(server.url, { transport: "otlp", ...options });
  const exporter = new BufferedSpanExporter(buffer);
  exporter.export(spans, ({ code }) => expect(code).toBe(0));
  await exporter.forceFlush();
  expect(buffer.stats()).toMatchObject({ acknowledged: spans.length, truncated: 0 });
  return spansIn(server.requests);
}

describe("what arrives is what OpenTelemetry's OTLP exporter sends", () => {
  test.each(["sdk", "direct"] as const)("sender %s", async (sender) => {
    const spans = everything();
    const theirs = await sentByOpenTelemetry(spans);
    const ours = await sentByUs(spans, { sender });
    expect(theirs).toHaveLength(8);
    expect(ours).toEqual(theirs);
    expect(theirs.find(({ name }) => name === "child")).toMatchObject({
      droppedAttributesCount: 10,
      droppedEventsCount: 3,
      droppedLinksCount: 1,
      status: { code: 2, message: "broke" },
      events: [{ droppedAttributesCount: 17 }, { droppedAttributesCount: 17 }, { name: "bare" }],
      links: [{ droppedAttributesCount: 1, traceState: "vendor=1,other=2" }, { attributes: { number: 3 } }],
    });
    expect(theirs.find(({ name }) => name === "remote parent")).toMatchObject({ parentSpanId: "e".repeat(16) });
  });

  test("with a resource too large to be written once for all", async () => {
    const large = resourceFromAttributes({ "service.name": "bot", command: "x".repeat(900) });
    const spans = finishedSpans(["a", "b"], { resource: large, idGenerator: countingIds() });
    expect(await sentByUs(spans, { maxSpanBytes: 3_000 })).toEqual(await sentByOpenTelemetry(spans));
  });
});

test("an old server gets the same by the ingestion route", async () => {
  const server = await standIn({ generation: "ingestion" });
  const exporter = new BufferedSpanExporter(bufferFor(server.url));
  const spans = everything();
  exporter.export(spans, () => undefined);
  await exporter.forceFlush();
  expect(server.account().spans).toBe(spans.length);
  const child = server.spans().find(({ name }) => name === "child");
  expect(child).toMatchObject({ startTime: "2026-11-01T08:00:00.250Z", level: "ERROR", statusMessage: "broke" });
  expect(child?.metadata).toMatchObject({
    attributes: { "attribute.0": 0 },
    resourceAttributes: { "host.cpus": 4 },
    scope: { name: "other" },
    links: [{ traceState: "vendor=1,other=2" }, {}],
    droppedAttributesCount: 10,
    droppedEventsCount: 3,
    droppedLinksCount: 1,
  });
});

test.each<[HrTime, string]>([
  [[1_793_520_000, 0], "1793520000000000000"],
  [[1_793_520_000, 1], "1793520000000000001"],
  [[1_793_520_000, 999_999_999], "1793520000999999999"],
  [[1_793_520_001, 5.5], "1793520001000000005"],
  [[1, 2], "1000000002"],
  [[0, 5], "5"],
  [[0, 0], "0"],
  [[1_793_520_000, 1_000_000_001], "1793520001000000001"],
  [[-1, 0], "-1000000000"],
  [[Number.NaN, 0], "NaN,0"],
])("a time of %j is %s", (time, nanos) => {
  const [span] = finishedSpans(["a"]) as [ReadableSpan];
  expect(payloadOf({ ...span, spanContext: () => span.spanContext(), startTime: time })).toMatchObject({
    startTimeUnixNano: nanos,
  });
});
