/** Requests that nobody sends by mistake: the answer is one of OTLP's, the process stays as it was. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import type { OtlpRequest } from "../../src/otlp/otlp-shape.ts";
import { until } from "../support/buffers.ts";
import {
  authorization,
  type Encoding,
  encodings,
  FakeSink,
  otlpSpan,
  post,
  receiving,
  requestOf,
} from "./traces-support/receiving.ts";
import { served } from "./traces-support/server.ts";

const path = "/v1/traces";
const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url), "utf8"),
) as OtlpRequest;
const [protobuf, json] = encodings as [Encoding, Encoding];

/** Random, or a real request with some of its bytes changed, cut out or doubled. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc
    .tuple(
      fc.constantFrom(protobuf.encode(fixture), json.encode(fixture)),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
      fc.nat(),
      fc.nat(50),
      fc.boolean(),
    )
    .map(([whole, changes, at, length, isDoubled]) => {
      const copy = Buffer.from(whole);
      for (const [place, byte] of changes) copy[place % copy.length] = byte;
      const from = at % copy.length;
      const rest = isDoubled ? copy.subarray(from) : copy.subarray(from + length);
      return new Uint8Array(Buffer.concat([copy.subarray(0, from + length), rest]));
    }),
);

test("any bytes with any headers: an answer, and no other than OTLP's", async () => {
  const sink = new FakeSink();
  const { app } = receiving(sink);
  await fc.assert(
    fc.asyncProperty(
      bytes,
      fc.constantFrom("application/x-protobuf", "application/json", "text/plain", ""),
      fc.constantFrom(undefined, "gzip", "deflate", "br"),
      fc.boolean(),
      async (body, contentType, encoding, isCompressed) => {
        const compress = encoding === "gzip" ? gzipSync : deflateSync;
        const sent = isCompressed ? new Uint8Array(compress(body)) : new Uint8Array(body);
        const headers = encoding === undefined ? {} : { "content-encoding": encoding };
        const { status } = await app.request(path, post(sent, contentType, headers));
        sink.offered.length = 0;
        return [200, 400, 415].includes(status);
      },
    ),
    { numRuns: 2_000 },
  );
});

/** A message of protobuf. */
function message(tag: number, inside: Buffer): Buffer {
  const length: number[] = [];
  let rest = inside.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.of(tag, ...length, rest), inside]);
}

test("what is small on the wire and large as objects is refused, or bounded", async () => {
  const sink = new FakeSink();
  const { app } = receiving(sink);
  const large = 32 * 1024 * 1024;
  const one = protobuf.encode(requestOf([otlpSpan(1, { name: "x" })]));
  const inRequest = (spans: Buffer): Buffer => message(10, message(18, spans));
  const bodies: [string, Buffer, string, number][] = [
    ["brackets", Buffer.alloc(large, "["), "application/json", 400],
    ["spaces", Buffer.alloc(large, " "), "application/json", 400],
    ["empty objects", Buffer.from(`{"resourceSpans":[${"{},".repeat(9_000_000)}{}]}`), "application/json", 400],
    ["zeros", Buffer.alloc(large), "application/x-protobuf", 400],
    ["a span of empty attributes", inRequest(message(18, Buffer.alloc(large, "J\0"))), "application/x-protobuf", 200],
    ["empty spans", inRequest(Buffer.alloc(200_000, Buffer.of(18, 0))), "application/x-protobuf", 200],
    ["too many of them", inRequest(Buffer.alloc(large, Buffer.of(18, 0))), "application/x-protobuf", 400],
    ["a sound span", Buffer.from(one), "application/x-protobuf", 200],
  ];
  const beforeBytes = process.memoryUsage().rss;
  for (const [name, body, contentType, status] of bodies) {
    const compressed = new Uint8Array(gzipSync(body, { level: 1 }));
    const response = await app.request(path, post(compressed, contentType, { "content-encoding": "gzip" }));
    expect(response.status, name).toBe(status);
  }
  expect(sink.offered).toHaveLength(1);
  // Its highest ever: a parse holds the loop, so that no timer would see it.
  const mostBytes = process.resourceUsage().maxRSS * 1024;
  expect(mostBytes - beforeBytes).toBeLessThan(768 * 1024 * 1024);
});

test("a client that sends slowly holds nobody up", async () => {
  const sink = new FakeSink();
  const { app } = receiving(sink);
  const { url, port } = await served(app);
  const body = protobuf.encode(requestOf([otlpSpan(1)]));
  const slow = Array.from({ length: 50 }, () => {
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => undefined);
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/x-protobuf\r\n` +
        `content-length: ${body.length}\r\n\r\n`,
    );
    socket.write(body.subarray(0, 5));
    return socket;
  });
  expect((await fetch(url + path, post(body, protobuf.contentType))).status).toBe(200);
  expect(sink.offered).toHaveLength(1);
  // They are answered too, once they are done.
  let answers = 0;
  for (const socket of slow) {
    socket.once("data", (chunk) => {
      if (chunk.toString().startsWith("HTTP/1.1 200")) answers++;
    });
    socket.write(body.subarray(5));
  }
  await until(() => answers === 50);
  expect(sink.offered).toHaveLength(1);
});
