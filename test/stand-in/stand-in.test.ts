import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import autocannon from "autocannon";
import { PbfWriter } from "pbf";
import { expect, test } from "vitest";
import type { Fault, StandIn } from "../../src/stand-in/index.ts";
import { standIn } from "../support/buffers.ts";

const basic = `Basic ${Buffer.from("pk-lf-stand-in:sk-lf-stand-in").toString("base64")}`;
const otlpPath = "/api/public/otel/v1/traces";
const ingestionPath = "/api/public/ingestion";

interface KeyValue {
  key: string;
  value: {
    stringValue?: string;
    boolValue?: boolean;
    intValue?: string;
    doubleValue?: number;
    arrayValue?: { values: KeyValue["value"][] };
  };
}

interface FixtureSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: KeyValue[];
}

interface Fixture {
  resourceSpans: {
    resource: { attributes: KeyValue[] };
    scopeSpans: { scope: { name: string }; spans: FixtureSpan[] }[];
  }[];
}

const fixtureText = readFileSync(new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url), "utf8");

function fixture(): Fixture {
  return JSON.parse(fixtureText) as Fixture;
}

function firstSpan(request: Fixture): FixtureSpan {
  return request.resourceSpans[0]?.scopeSpans[0]?.spans[0] as FixtureSpan;
}

async function post(
  server: StandIn,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(server.url + path, {
    method: "POST",
    headers: { authorization: basic, "content-type": "application/json", ...headers },
    body,
  });
}

test.each<[string, Record<string, string>, number, RegExp]>([
  ["a wrong secret", { authorization: `Basic ${btoa("pk-lf-stand-in:wrong")}` }, 401, /Invalid credentials/],
  [
    "an unknown Bearer",
    { authorization: "Bearer pk-lf-other" },
    401,
    /Invalid public key. Confirm that you've configured the correct host/,
  ],
  ["a known Bearer", { authorization: "Bearer pk-lf-stand-in" }, 403, /Basic/],
  ["an ingestion version of the future", { "x-langfuse-ingestion-version": "5" }, 400, /ingestion-version/],
  ["another content type", { "content-type": "text/plain" }, 400, /content type/],
])("OTLP with %s", async (_name, headers, status, message) => {
  const server = await standIn();
  const response = await post(server, otlpPath, fixtureText, headers);
  expect(response.status).toBe(status);
  expect(await response.text()).toMatch(message);
  expect(server.account().spans).toBe(0);
});

test.each<[string, (span: FixtureSpan & Record<string, unknown>) => void]>([
  ["no trace id", (span) => void Reflect.deleteProperty(span, "traceId")],
  ["a span id in upper case", (span) => Object.assign(span, { spanId: "C000000000000001" })],
  ["a short span id", (span) => Object.assign(span, { spanId: "c0" })],
  ["attributes that are no array", (span) => Object.assign(span, { attributes: {} })],
  ["events that are no array", (span) => Object.assign(span, { events: "none" })],
  ["no start", (span) => void Reflect.deleteProperty(span, "startTimeUnixNano")],
  ["poison", (span) => void span.attributes.push({ key: "stand-in.poison", value: { boolValue: true } })],
])("one span with %s makes OTLP refuse the whole request", async (_name, spoil) => {
  const server = await standIn();
  const request = fixture();
  spoil(firstSpan(request) as FixtureSpan & Record<string, unknown>);
  expect((await post(server, otlpPath, JSON.stringify(request))).status).toBe(400);
  expect(server.account().spans).toBe(0);
});

test("the fixture conversation arrives equal as JSON, as gzip and as protobuf", async () => {
  const [json, gzip, protobuf] = await Promise.all([standIn(), standIn(), standIn()]);
  expect((await post(json, otlpPath, fixtureText)).status).toBe(200);
  const zipped = new Uint8Array(gzipSync(fixtureText));
  expect((await post(gzip, otlpPath, zipped, { "content-encoding": "gzip" })).status).toBe(200);
  const encoded = encodeFixture(fixture());
  expect((await post(protobuf, otlpPath, encoded, { "content-type": "application/x-protobuf" })).status).toBe(200);
  expect(json.spans().length).toBe(9);
  expect(gzip.spans()).toEqual(json.spans());
  expect(protobuf.spans()).toEqual(json.spans());
  const llm = json.spans().find(({ name }) => name === "llm");
  expect(llm).toMatchObject({ type: "GENERATION", model: "gpt-4.1", output: "It is nice and 12 degrees." });
  expect(json.spans().find(({ name }) => name === "conversation")).toMatchObject({
    tags: ["voice-agent"],
    parentObservationId: null,
  });
});

/** Protobuf by opentelemetry-proto's field numbers, for what the fixture holds. */
function encodeFixture(request: Fixture): Uint8Array<ArrayBuffer> {
  const writer = new PbfWriter();
  for (const { resource, scopeSpans } of request.resourceSpans) {
    writer.writeMessage(
      1,
      (_, outer) => {
        outer.writeMessage(1, (__, pbf) => writeAttributes(1, resource.attributes, pbf), null);
        for (const { scope, spans } of scopeSpans) {
          outer.writeMessage(
            2,
            (__, pbf) => {
              pbf.writeMessage(1, (___, inner) => inner.writeStringField(1, scope.name), null);
              for (const span of spans) pbf.writeMessage(2, writeSpan, span);
            },
            null,
          );
        }
      },
      null,
    );
  }
  return new Uint8Array(writer.finish());
}

function writeSpan(span: FixtureSpan, pbf: PbfWriter): void {
  pbf.writeBytesField(1, Buffer.from(span.traceId, "hex"));
  pbf.writeBytesField(2, Buffer.from(span.spanId, "hex"));
  if (span.parentSpanId !== undefined) pbf.writeBytesField(4, Buffer.from(span.parentSpanId, "hex"));
  pbf.writeStringField(5, span.name);
  pbf.writeVarintField(6, span.kind);
  writeFixed64(7, span.startTimeUnixNano, pbf);
  writeFixed64(8, span.endTimeUnixNano, pbf);
  writeAttributes(9, span.attributes, pbf);
}

function writeFixed64(tag: number, decimal: string, pbf: PbfWriter): void {
  pbf.writeTag(tag, 1);
  pbf.writeFixed32(Number(BigInt(decimal) & 0xffff_ffffn));
  pbf.writeFixed32(Number(BigInt(decimal) >> 32n));
}

function writeAttributes(tag: number, attributes: readonly KeyValue[], pbf: PbfWriter): void {
  for (const { key, value } of attributes) {
    pbf.writeMessage(
      tag,
      (_, pair) => {
        pair.writeStringField(1, key);
        pair.writeMessage(2, writeValue, value);
      },
      null,
    );
  }
}

function writeValue(value: KeyValue["value"], pbf: PbfWriter): void {
  if (value.stringValue !== undefined) pbf.writeStringField(1, value.stringValue);
  if (value.boolValue !== undefined) pbf.writeBooleanField(2, value.boolValue);
  if (value.intValue !== undefined) pbf.writeVarintField(3, Number(value.intValue));
  if (value.doubleValue !== undefined) pbf.writeDoubleField(4, value.doubleValue);
  if (value.arrayValue !== undefined) {
    const { values } = value.arrayValue;
    pbf.writeMessage(5, (_, array) => values.forEach((item) => array.writeMessage(1, writeValue, item)), null);
  }
}

const traceId = "5b8efff798038103d269b633813fc60c";

function event(type: string, body: Record<string, unknown>, id = "event-1"): Record<string, unknown> {
  return { id, type, timestamp: "2026-11-23T12:00:00.000Z", body };
}

test.each<[string, Record<string, unknown>, number]>([
  ["a span", event("span-create", { id: "s1", traceId, name: "x" }), 201],
  ["an agent", event("agent-create", { id: "s1", traceId, name: "x" }), 201],
  ["level INFO", event("span-create", { id: "s1", traceId, level: "INFO" }), 400],
  ["nested model parameters", event("generation-create", { id: "s1", traceId, modelParameters: { a: { b: 1 } } }), 400],
  ["a prompt name without version", event("generation-create", { id: "s1", traceId, promptName: "p" }), 400],
  ["an environment in capitals", event("span-create", { id: "s1", traceId, environment: "PROD" }), 400],
  [
    "too many tokens for 32 bits",
    event("generation-create", { id: "s1", traceId, usageDetails: { input: 2 ** 31 } }),
    500,
  ],
  ["a lone surrogate", event("span-create", { id: "s1", traceId, input: "a\ud800b" }), 500],
  ["an unknown type", event("span-destroy", { id: "s1" }), 400],
  ["no timestamp", { id: "event-1", type: "span-create", body: { id: "s1" } }, 400],
])("ingestion of %s", async (_name, item, status) => {
  const server = await standIn({ generation: "ingestion" });
  const response = await post(server, ingestionPath, JSON.stringify({ batch: [item] }));
  expect(response.status).toBe(207);
  const { successes, errors } = (await response.json()) as { successes: unknown[]; errors: unknown[] };
  expect([...successes, ...errors]).toMatchObject([{ id: "event-1", status }]);
  expect(server.account().spans).toBe(status === 201 ? 1 : 0);
});

test("an observation without an id gets 201 and is dropped in silence; sdk-log is in neither list", async () => {
  const server = await standIn({ generation: "ingestion" });
  const batch = [event("span-create", { traceId, name: "lost" }, "a"), event("sdk-log", {}, "b")];
  const response = await post(server, ingestionPath, JSON.stringify({ batch }));
  expect(await response.json()).toEqual({ successes: [{ id: "a", status: 201 }], errors: [] });
  expect(server.account().spans).toBe(0);
});

test("the generations refuse each other's route", async () => {
  const [newer, older] = await Promise.all([standIn({ generation: "otlp" }), standIn({ generation: "ingestion" })]);
  const batch = [
    event("trace-create", { id: traceId }),
    event("score-create", { name: "quality", value: 1, traceId }, "event-2"),
  ];
  const refused = await post(newer, ingestionPath, JSON.stringify({ batch }));
  expect(await refused.json()).toMatchObject({
    successes: [{ id: "event-2", status: 201 }],
    errors: [{ id: "event-1", status: 400, message: "Event type not accepted" }],
  });
  const missing = await post(older, otlpPath, fixtureText);
  expect(missing.status).toBe(404);
  expect(missing.headers.get("content-type")).toContain("text/html");
});

test.each([
  [ingestionPath, "ingestion", 4_718_592, '{"batch":[]}', 207],
  [otlpPath, "otlp", 5_000_000, '{"resourceSpans":[]}', 200],
] as const)("the limit of %s is exact", async (path, generation, limit, start, status) => {
  const server = await standIn({ generation });
  expect((await post(server, path, start.padEnd(limit))).status).toBe(status);
  expect((await post(server, path, start.padEnd(limit + 1))).status).toBe(413);
});

test("a span that comes twice is counted, and stored once", async () => {
  const server = await standIn();
  await post(server, otlpPath, fixtureText);
  await post(server, otlpPath, fixtureText);
  expect(server.account()).toMatchObject({ spans: 9, twice: 9, arrivals: 18 });
  expect(new Set(Object.values(server.ids()))).toEqual(new Set([2]));
});

test.each<[Fault, number, number]>([
  [{ kind: "unauthorized" }, 401, 0],
  [{ kind: "forbidden" }, 403, 0],
  [{ kind: "rate-limited", retryAfter: "2.5" }, 429, 0],
  [{ kind: "error" }, 500, 0],
  [{ kind: "error", status: 503 }, 503, 0],
  [{ kind: "html" }, 200, 0],
  [{ kind: "empty" }, 200, 0],
  [{ kind: "not-found" }, 404, 0],
  [{ kind: "slow", delayMs: 20 }, 200, 9],
])("fault %j, once, then healthy", async (fault, status, stored) => {
  const server = await standIn();
  await server.setFault({ ...fault, times: 1 });
  const response = await post(server, otlpPath, fixtureText);
  expect(response.status).toBe(status);
  expect(server.account().spans).toBe(stored);
  if (fault.kind === "rate-limited") expect(response.headers.get("retry-after")).toBe("2.5");
  expect((await fetch(`${server.url}/api/public/health`)).status).toBe(200);
  expect((await post(server, otlpPath, fixtureText)).status).toBe(200);
});

test.each<[Fault, number]>([
  [{ kind: "reset" }, 0],
  [{ kind: "reset", when: "after" }, 9],
  [{ kind: "hang" }, 0],
  [{ kind: "stalled-body" }, 0],
  [{ kind: "down" }, 0],
])("fault %j gives no whole answer", async (fault, stored) => {
  const server = await standIn();
  await server.setFault(fault);
  const attempt = fetch(server.url + otlpPath, {
    method: "POST",
    headers: { authorization: basic, "content-type": "application/json" },
    body: fixtureText,
    signal: AbortSignal.timeout(300),
  }).then((response) => response.text());
  await expect(attempt).rejects.toThrow();
  expect(server.account().spans).toBe(stored);
  await server.setFault(undefined);
  expect((await post(server, otlpPath, fixtureText)).status).toBe(200);
});

test("it takes a load without an error, and counts every span of it", async () => {
  const server = await standIn();
  let sent = 0;
  const result = await autocannon({
    url: server.url + otlpPath,
    connections: 10,
    amount: 500,
    method: "POST",
    headers: { authorization: basic, "content-type": "application/json" },
    requests: [
      {
        setupRequest(request) {
          const load = fixture();
          for (const { scopeSpans } of load.resourceSpans) {
            for (const { spans } of scopeSpans)
              for (const span of spans) span.spanId = (++sent).toString(16).padStart(16, "0");
          }
          return { ...request, body: JSON.stringify(load) };
        },
      },
    ],
  });
  expect(result.non2xx + result.errors + result.timeouts).toBe(0);
  expect(server.account()).toMatchObject({ spans: 500 * 9, twice: 0 });
});
