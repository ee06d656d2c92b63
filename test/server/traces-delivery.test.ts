/** From a client's request to what Langfuse stores, through a real journal: nothing changed, nothing missing, nothing twice. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { serialise } from "../../src/buffer/serialise.ts";
import { envelopedSpan, otlpRequest } from "../../src/export/otlp.ts";
import { StoredBatch } from "../../src/export/stored-batch.ts";
import { resolveOptions, type SpanBufferOptions } from "../../src/options.ts";
import { decodeOtlpRequest } from "../../src/otlp/decode-protobuf.ts";
import { JsonSpans } from "../../src/otlp/json-spans.ts";
import { type OtlpRequest, plainAttributes } from "../../src/otlp/otlp-shape.ts";
import { ProtobufSpans } from "../../src/otlp/protobuf-spans.ts";
import type { SourceSpan } from "../../src/otlp/span-source.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { payloadOf } from "../../src/server/traces/payload.ts";
import { request } from "../otlp/arbitrary-request.ts";
import { encodeOtlpRequest } from "../otlp/encode-request.ts";
import { standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import {
  authorization,
  encodings,
  otlpSpan,
  post,
  publicKey,
  receiving,
  requestOf,
  secretKey,
} from "./traces-support/receiving.ts";
import { served } from "./traces-support/server.ts";

const path = "/v1/traces";
const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url), "utf8"),
) as OtlpRequest;

function pipelineTo(baseUrl: string, options: SpanBufferOptions = {}): Pipeline {
  const given = { baseUrl, publicKey, secretKey, flushInterval: 0.05, logger: { warn: () => undefined } };
  const pipeline = new Pipeline(resolveOptions({ ...given, directory: temporaryDirectory(), ...options }, {}));
  onTestFinished(async () => void (await pipeline.shutdown(2_000)));
  return pipeline;
}

/** What a request says, whatever its grouping and the form of its numbers. */
function meaning({ resourceSpans = [] }: OtlpRequest): unknown[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map(({ attributes, events = [], links = [], status, kind = 0, name = "", ...span }) => ({
        ...withoutZeros(span),
        name,
        kind,
        attributes: plainAttributes(attributes),
        keys: (attributes ?? []).map(({ key }) => key),
        events: events.map((event) => ({ ...withoutZeros(event), attributes: plainAttributes(event.attributes) })),
        links: links.map((link) => ({ ...withoutZeros(link), attributes: plainAttributes(link.attributes) })),
        status: { code: status?.code ?? 0, message: status?.message ?? "" },
        // Where there is none, the export says who sent the span.
        resource: resource === undefined ? undefined : plainAttributes(resource.attributes),
        scope:
          scope === undefined
            ? undefined
            : { name: scope.name ?? "", version: scope.version ?? "", attributes: plainAttributes(scope.attributes) },
      })),
    ),
  );
}

/** A count of nothing and none say the same. */
function withoutZeros<Part extends object>(part: Part): Partial<Part> {
  return Object.fromEntries(
    Object.entries(part).filter(([name, value]) => !(name.startsWith("dropped") && value === 0)),
  ) as Partial<Part>;
}

test.each(["protobuf", "json"] as const)("%s: what the export makes of a stored span is what was sent", (encoding) => {
  fc.assert(
    fc.property(request, (sent) => {
      const bytes = encoding === "json" ? Buffer.from(JSON.stringify(sent)) : encodeOtlpRequest(sent);
      const source = encoding === "json" ? new JsonSpans(bytes) : new ProtobufSpans(bytes);
      const found = Array.from({ length: source.count }, (_, index) => {
        const received = source.at(index) as SourceSpan;
        const stored = JSON.parse(JSON.stringify(payloadOf(received))) as SpanPayload;
        const [again] = meaning(otlpRequest([envelopedSpan(stored)])) as {
          resource: object;
          scope: object;
        }[];
        return {
          ...again,
          resource: received.resource === undefined ? undefined : again?.resource,
          scope: received.scope === undefined ? undefined : again?.scope,
        };
      });
      expect(found).toEqual(meaning(sent));
    }),
    { numRuns: 300 },
  );
});

test("a span that is larger than what is stored of one is cut, and can still be sent", () => {
  const values = Array.from({ length: 90_000 }, () => ({ stringValue: "sixteen letters." }));
  const sent = requestOf([otlpSpan(1, { attributes: [{ key: "large", value: { arrayValue: { values } } }] })]);
  const received = new ProtobufSpans(encodeOtlpRequest(sent)).at(0) as SourceSpan;
  const { text, truncated } = serialise(payloadOf(received), 1_000_000);
  expect(truncated).toBe(true);
  for (const form of ["otlpRequest", "protobufRequest"] as const) {
    const batch = new StoredBatch(Buffer.from(text), [Buffer.byteLength(text)]);
    const request: unknown = batch[form]();
    expect(batch.reasons).toEqual([undefined]);
    const decoded = request instanceof Buffer ? decodeOtlpRequest(request) : (request as OtlpRequest);
    const [again] = meaning(decoded) as { attributes: { large: string[] } }[];
    expect(again?.attributes.large[0]).toBe("sixteen letters.");
    expect(again?.attributes.large.at(-1)).toMatch(/of 90000 entries kept/);
  }
});

test.each(encodings)(
  "$name: the conversation of the fixture arrives as when Langfuse gets it itself",
  async (encoding) => {
    const direct = await standIn();
    const body = encoding.encode(fixture);
    await fetch(`${direct.url}/api/public/otel/v1/traces`, post(body, encoding.contentType));
    const server = await standIn();
    const pipeline = pipelineTo(server.url);
    const { app } = receiving(pipeline, { enrich: false });
    expect((await app.request(path, post(body, encoding.contentType))).status).toBe(200);
    await pipeline.flush(10_000);
    const byId = (spans: ReturnType<typeof server.spans>): unknown[] =>
      spans.toSorted((a, b) => a.id.localeCompare(b.id));
    expect(byId(server.spans())).toEqual(byId(direct.spans()));
    expect(server.account()).toMatchObject({ spans: 9, twice: 0 });
  },
);

test("a client that never got its answer repeats: stored once", async () => {
  const server = await standIn();
  const pipeline = pipelineTo(server.url);
  const { app, counted } = receiving(pipeline);
  const { url, port } = await served(app);
  const [{ encode, contentType }] = encodings as [(typeof encodings)[number]];
  const body = encode(requestOf(Array.from({ length: 50 }, (_, index) => otlpSpan(index))));
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: ${contentType}\r\n` +
      `content-length: ${body.length}\r\n\r\n`,
  );
  socket.write(body);
  await until(() => pipeline.stats().accepted === 50);
  socket.resetAndDestroy();
  for (let times = 0; times < 3; times++) {
    expect((await fetch(url + path, post(body, contentType))).status).toBe(200);
  }
  await pipeline.flush(10_000);
  expect(pipeline.stats().accepted).toBe(50);
  expect(server.account()).toMatchObject({ spans: 50, twice: 0 });
  expect(counted.filter((line) => line === "repeated span 50")).toHaveLength(3);
});

test("requests of many connections at once: all are stored, each once", async () => {
  const server = await standIn();
  const pipeline = pipelineTo(server.url);
  const { app } = receiving(pipeline);
  const { url } = await served(app);
  const statuses = await Promise.all(
    Array.from({ length: 100 }, async (_, number) => {
      const { encode, contentType } = encodings[number % 2] as (typeof encodings)[number];
      const spans = Array.from({ length: 10 }, (_, index) => otlpSpan(number * 10 + index));
      return (await fetch(url + path, post(encode(requestOf(spans)), contentType))).status;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  // Committed before the answers, so they are all there.
  expect(pipeline.stats()).toMatchObject({ accepted: 1_000, dropped: { "memory-full": 0 } });
  await pipeline.flush(10_000);
  expect(server.account()).toMatchObject({ spans: 1_000, twice: 0 });
});

test("a directory that cannot be used: 503 until it can, and then what was sent before is stored once", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "state");
  writeFileSync(directory, "in the way");
  const warnings: string[] = [];
  const pipeline = pipelineTo(server.url, { directory, logger: { warn: (text) => void warnings.push(text) } });
  const { app } = receiving(pipeline, { commitTimeoutMs: 200 });
  const [{ encode, contentType }] = encodings as [(typeof encodings)[number]];
  const send = async (numbers: readonly number[]): Promise<number> => {
    const response = await app.request(path, post(encode(requestOf(numbers.map((n) => otlpSpan(n)))), contentType));
    expect(response.headers.has("retry-after")).toBe(response.status === 503);
    return response.status;
  };
  // The first comes before anybody knows.
  expect(await send([1, 2])).toBe(503);
  await until(() => warnings.some((text) => text.includes("cannot be opened")));
  expect(await send([1, 2])).toBe(503);
  expect(await send([3])).toBe(503);
  rmSync(directory);
  await until(() => pipeline.trouble === undefined);
  expect(await send([1, 2])).toBe(200);
  expect(await send([3])).toBe(200);
  await server.setFault(undefined);
  await pipeline.flush(20_000);
  expect(server.account()).toMatchObject({ spans: 3, twice: 0 });
});
