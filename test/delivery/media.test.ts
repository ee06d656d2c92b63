import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { SpanBufferOptions } from "../../src/index.ts";
import type { StandIn } from "../../src/stand-in/index.ts";
import { bufferFor, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const audio = randomBytes(30_000);
const image = randomBytes(5_000);
const audioUri = `data:audio/wav;base64,${audio.toString("base64")}`;
const imageUri = `data:image/png;name=a.png;base64,${image.toString("base64")}`;
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("base64");
const mediaIdOf = (bytes: Buffer): string => sha256(bytes).replaceAll("+", "-").replaceAll("/", "_").slice(0, 22);
const referenceTo = (type: string, bytes: Buffer): string =>
  `@@@langfuseMedia:type=${type}|id=${mediaIdOf(bytes)}|source=base64_data_uri@@@`;
const audioReference = referenceTo("audio/wav", audio);
const imageReference = referenceTo("image/png", image);

const postsOf = (server: StandIn, path: string): number =>
  server.requests().filter((request) => request.method === "POST" && request.path === path).length;

describe.each<[string, SpanBufferOptions]>([
  ["otlp by the SDK", { transport: "otlp", sender: "sdk" }],
  ["otlp direct", { transport: "otlp", sender: "direct" }],
  ["ingestion", { transport: "ingestion" }],
])("%s", (name, way) => {
  test("audio and images are uploaded, and the span refers to them", async () => {
    const server = await standIn({ generation: name === "ingestion" ? "ingestion" : "otlp" });
    const buffer = bufferFor(server.url, { ...way, mask: ["email", "card", "phone", "token", "iban"] });
    const span = buffer.startSpan("turn", {
      type: "generation",
      input: { messages: [{ type: "audio", data: audioUri }, { text: "hi" }] },
      output: JSON.stringify({ inside: { image: imageUri } }),
      metadata: { again: audioUri },
    });
    span.end();
    await buffer.flush();
    expect(server.spans()).toMatchObject([
      {
        id: span.spanId,
        input: { messages: [{ type: "audio", data: audioReference }, { text: "hi" }] },
        output: { inside: { image: imageReference } },
        metadata: { again: audioReference },
      },
    ]);
    const link = (field: string): string => `${span.traceId}/${span.spanId}/${field}`;
    expect(server.media()).toMatchObject([
      {
        contentType: "audio/wav",
        contentLength: 30_000,
        isUploaded: true,
        sha256: sha256(audio),
        links: [link("input"), link("metadata")],
      },
      {
        contentType: "image/png",
        contentLength: 5_000,
        isUploaded: true,
        sha256: sha256(image),
        links: [link("output")],
      },
    ]);
    // Known content goes up once.
    expect(server.requests().filter(({ method }) => method === "PUT")).toHaveLength(2);
    expect(buffer.stats()).toMatchObject({ acknowledged: 1, pending: 0 });
  });
});

test("in attributes too, in either form", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const record = {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    name: "from OpenTelemetry",
    startTimeUnixNano: "1793520000000000000",
    endTimeUnixNano: "1793520000000000000",
  };
  buffer.enqueue({ ...record, spanId: "b7ad6b7169203301", attributes: { "gen_ai.prompt": `see ${imageUri}.` } });
  buffer.enqueue({
    ...record,
    spanId: "b7ad6b7169203302",
    attributes: [{ key: "output.value", value: { stringValue: audioUri } }],
  });
  await buffer.flush();
  expect(server.spans()).toMatchObject([{ input: `see ${imageReference}.` }, { output: audioReference }]);
  expect(server.media().flatMap(({ links }) => links)).toEqual([
    "0af7651916cd43dd8448eb211c80319c/b7ad6b7169203301/input",
    "0af7651916cd43dd8448eb211c80319c/b7ad6b7169203302/output",
  ]);
});

test("switched off, the data stay in the span, and nothing is asked", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { media: false });
  buffer.startSpan("turn", { input: audioUri }).end();
  await buffer.flush();
  expect(server.spans()).toMatchObject([{ input: audioUri }]);
  expect(postsOf(server, "/api/public/media")).toBe(0);
});

test("what the server does not take stays in the span, and it is said", async () => {
  const server = await standIn();
  await server.setFault({ kind: "error", status: 400, body: '{"message":"no"}', routes: ["/api/public/media"] });
  const said: string[] = [];
  const buffer = bufferFor(server.url, { logger: { warn: (message) => said.push(message) } });
  buffer.startSpan("turn", { input: audioUri }).end();
  await buffer.flush();
  expect(server.spans()).toMatchObject([{ input: audioUri }]);
  expect(said.join()).toMatch(/media stay in their spans: refused/);
});

test("an older server without the route gets the data in the span", async () => {
  const server = await standIn();
  await server.setFault({ kind: "not-found", routes: ["/api/public/media"] });
  const buffer = bufferFor(server.url);
  buffer.startSpan("turn", { input: audioUri }).end();
  await buffer.flush();
  expect(server.spans()).toMatchObject([{ input: audioUri }]);
});

test("while the storage fails, spans with media wait in the journal, others go; across a restart", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "error", status: 503, routes: [`/storage/${mediaIdOf(audio)}`] });
  const said: string[] = [];
  const first = bufferFor(server.url, { directory, logger: { warn: (message) => said.push(message) } });
  const withAudio = first.startSpan("with audio", { input: audioUri });
  withAudio.end();
  for (let index = 0; index < 5; index++) first.startSpan(`other ${index}`).end();
  await until(
    () => first.stats().acknowledged === 5 && said.length + Number(first.stats().lastError !== undefined) > 0,
  );
  expect(first.stats()).toMatchObject({ pending: 1, deadLettered: 0 });
  expect(first.stats().lastError ?? said.join()).toMatch(
    /the storage for media at 127\.0\.0\.1:\d+ does not take them: it answers 503/,
  );
  expect(missingFromAccount(first.stats())).toBe(0);
  await first.shutdown({ timeoutMs: 500 });
  await server.setFault(undefined);
  const second = bufferFor(server.url, { directory });
  await second.flush();
  expect(second.stats()).toMatchObject({ recovered: 1, acknowledged: 1 });
  expect(server.spans().find(({ id }) => id === withAudio.spanId)).toMatchObject({ input: audioReference });
  expect(server.account()).toMatchObject({ spans: 6, twice: 0 });
});

test("while Langfuse is away nothing is lost, nor uploaded twice", async () => {
  const server = await standIn();
  await server.setFault({ kind: "error", status: 503, times: 6, routes: ["/traces", "/media"] });
  const buffer = bufferFor(server.url);
  for (let index = 0; index < 3; index++) buffer.startSpan("turn", { input: audioUri }).end();
  await buffer.flush();
  expect(server.spans().map(({ input }) => input)).toEqual([audioReference, audioReference, audioReference]);
  expect(server.requests().filter(({ method, status }) => method === "PUT" && status === 200)).toHaveLength(1);
});

test("a data URI is never cut in its middle: above maxSpanBytes its data are left out, with a word", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { maxSpanBytes: 20_000 });
  buffer.startSpan("turn", { input: { audio: audioUri, text: "stays" } }).end();
  await buffer.flush();
  expect(server.spans()).toMatchObject([
    { input: { audio: `data:audio/wav;base64,[truncated: 22 of ${audioUri.length} characters kept]`, text: "stays" } },
  ]);
  expect(buffer.stats().truncated).toBe(1);
  expect(server.media()).toEqual([]);
});
