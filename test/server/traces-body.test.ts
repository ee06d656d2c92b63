/** What is read of a request's body, and what is refused, through a real connection and without. */
import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { Hono } from "hono";
import { describe, expect, onTestFinished, test } from "vitest";
import { readBody } from "../../src/server/http/request-body.ts";
import { until } from "../support/buffers.ts";
import { served } from "./traces-support/server.ts";

const maxBytes = 100_000;

/** Answers with what it read, or the refusal. */
function readingApp(limitBytes = maxBytes, onRead: (read: unknown) => void = () => undefined): Hono {
  const app = new Hono();
  app.post("/", async (context) => {
    const read = await readBody(context, { maxBytes: limitBytes });
    onRead(read);
    if ("status" in read) return context.text(read.message, read.status);
    const isSmall = read.body.length <= maxBytes;
    return isSmall ? new Response(new Uint8Array(read.body)) : context.text("much");
  });
  return app;
}

type Post = (body: Uint8Array<ArrayBuffer>, encoding?: string) => Promise<Response>;

async function waysOf(app: Hono): Promise<[string, Post][]> {
  const { url } = await served(app);
  return [
    ["app.request", async (body, encoding) => await app.request("/", post(body, encoding))],
    ["a connection", async (body, encoding) => await fetch(url, post(body, encoding))],
  ];
}

function post(body: Uint8Array<ArrayBuffer>, encoding?: string): RequestInit {
  return { method: "POST", body, ...(encoding === undefined ? {} : { headers: { "content-encoding": encoding } }) };
}

const encodings: [string, string | undefined, (bytes: Uint8Array) => Uint8Array<ArrayBuffer>][] = [
  ["none", undefined, (bytes) => new Uint8Array(bytes)],
  ["identity", "identity", (bytes) => new Uint8Array(bytes)],
  ["gzip", "gzip", (bytes) => new Uint8Array(gzipSync(bytes))],
  ["GZIP", "GZIP", (bytes) => new Uint8Array(gzipSync(bytes))],
  ["x-gzip", "x-gzip", (bytes) => new Uint8Array(gzipSync(bytes))],
  ["deflate as the standard has it", "deflate", (bytes) => new Uint8Array(deflateSync(bytes))],
  ["raw deflate", "deflate", (bytes) => new Uint8Array(deflateRawSync(bytes))],
];

/** Not compressible. */
function noise(length: number): Buffer {
  let state = 1;
  return Buffer.from(Uint8Array.from({ length }, () => (state = (state * 48_271) % 2_147_483_647) & 255));
}

test.each(encodings)("%s: what was sent is read, up to the limit", async (_name, encoding, encode) => {
  for (const [way, post] of await waysOf(readingApp())) {
    for (const length of [0, 1, 5, 70_000, maxBytes - 100, maxBytes]) {
      // Compressed noise is longer than it was, and that counts too.
      const body = length === maxBytes ? Buffer.alloc(length, "span ") : noise(length);
      const response = await post(encode(body), encoding);
      expect(response.status, `${way}, ${length} bytes`).toBe(200);
      expect(Buffer.from(await response.arrayBuffer()).equals(body), `${way}, ${length} bytes`).toBe(true);
    }
    const response = await post(encode(Buffer.alloc(maxBytes + 1, "span ")), encoding);
    expect(response.status, way).toBe(413);
    expect(await response.text()).toContain("100000 bytes");
  }
});

test.each(["br", "zstd", "gzip, gzip", "toString", "__proto__"])(
  "%s is no encoding that is taken",
  async (encoding) => {
    for (const [way, post] of await waysOf(readingApp())) {
      const response = await post(new Uint8Array(5), encoding);
      expect(response.status, way).toBe(415);
      expect(await response.text()).toContain("gzip, deflate");
    }
  },
);

test.each(["gzip", "deflate"])("what is not %s, or not all of it, is refused", async (encoding) => {
  const whole = encoding === "gzip" ? gzipSync(noise(5_000)) : deflateSync(noise(5_000));
  const broken = [whole.subarray(0, 4_000), whole.subarray(0, 1), noise(500), Buffer.from("{}")];
  for (const [way, post] of await waysOf(readingApp())) {
    for (const body of broken) expect((await post(new Uint8Array(body), encoding)).status, way).toBe(400);
  }
});

test("whatever comes as compressed, the answer is one of four", async () => {
  const app = readingApp(1_000);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.constantFrom("gzip", "deflate"), async (bytes, encoding) => {
      const headers = { "content-encoding": encoding };
      const { status } = await app.request("/", { method: "POST", body: new Uint8Array(bytes), headers });
      return [200, 400, 413].includes(status);
    }),
    { numRuns: 300 },
  );
});

test.each(["in the middle", "before anybody listens"])("a stream that is gone without a word, %s", async (moment) => {
  const incoming = new Readable({ read: () => undefined });
  incoming.push(noise(10));
  const gone = new Promise((resolve) => incoming.once("close", resolve));
  if (moment === "in the middle") setTimeout(() => incoming.destroy(), 5);
  else {
    incoming.destroy();
    await gone;
  }
  const response = await readingApp().request("/", { method: "POST" }, { incoming });
  expect(response.status).toBe(400);
});

function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe("bombs", () => {
  const limitBytes = 8 * 1024 * 1024;
  const bombBytes = 512 * 1024 * 1024;

  /** A gzip of so many zeros, made of one of 16 MiB: gzip files may follow each other. */
  function bomb(): Uint8Array<ArrayBuffer> {
    const piece = gzipSync(Buffer.alloc(16 * 1024 * 1024));
    return new Uint8Array(Buffer.concat(Array.from({ length: bombBytes / (16 * 1024 * 1024) }, () => piece)));
  }

  test("cost memory up to the limit, and the loop goes on turning", async () => {
    const app = readingApp(limitBytes);
    const body = bomb();
    const beforeBytes = heldBytes();
    let mostBytes = 0;
    let turns = 0;
    const looking = setInterval(() => {
      turns++;
      mostBytes = Math.max(mostBytes, heldBytes() - beforeBytes);
    }, 1);
    onTestFinished(() => clearInterval(looking));
    const response = await app.request("/", { method: "POST", body, headers: { "content-encoding": "gzip" } });
    expect(response.status).toBe(413);
    expect(turns).toBeGreaterThan(1);
    expect(mostBytes).toBeLessThan(bombBytes / 4);
  });

  test("many at once draw on one account, and give back what they drew", async () => {
    const app = readingApp(64 * 1024 * 1024);
    const body = new Uint8Array(gzipSync(Buffer.alloc(63 * 1024 * 1024)));
    const post = async (): Promise<number> => {
      const response = await app.request("/", { method: "POST", body, headers: { "content-encoding": "gzip" } });
      return response.status;
    };
    const statuses = await Promise.all(Array.from({ length: 12 }, post));
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    expect(await post()).toBe(200);
  });
});

async function connection(port: number): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, received: () => text };
}

function head(length: string): string {
  return `POST / HTTP/1.1\r\nhost: x\r\n${length}\r\n\r\n`;
}

describe("on the wire", () => {
  test("a length above the limit is answered before a byte of the body has come", async () => {
    const { port } = await served(readingApp());
    const { socket, received } = await connection(port);
    socket.write(head("content-length: 99999999999"));
    await until(() => received().startsWith("HTTP/1.1 413"));
  });

  test("the answer reaches a client that goes on sending, and the connection ends", async () => {
    const { port } = await served(readingApp());
    const { socket, received } = await connection(port);
    let isClosed = false;
    socket.once("close", () => (isClosed = true));
    socket.write(head("transfer-encoding: chunked"));
    const part = Buffer.from(`fff\r\n${"x".repeat(0xfff)}\r\n`);
    const sending = setInterval(() => socket.write(part), 1);
    onTestFinished(() => clearInterval(sending));
    await until(() => received().startsWith("HTTP/1.1 413"));
    await until(() => isClosed);
  });

  test("the next request on the connection is answered after one that was refused", async () => {
    const { port } = await served(readingApp());
    const { socket, received } = await connection(port);
    socket.write(`${head("content-length: 200000")}${"x".repeat(200_000)}`);
    await until(() => received().startsWith("HTTP/1.1 413"));
    socket.write(`${head("content-length: 5")}hello`);
    await until(() => received().endsWith("hello"));
  });

  test("a client that goes away in the middle", async () => {
    const reads: unknown[] = [];
    const { port } = await served(readingApp(maxBytes, (read) => reads.push(read)));
    const { socket } = await connection(port);
    socket.write(`${head("content-length: 500")}hel`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.resetAndDestroy();
    await until(() => reads.length === 1);
    expect(reads[0]).toMatchObject({ status: 400 });
  });

  test("a body of single bytes takes no more than its length", async () => {
    const { port } = await served(readingApp());
    const { socket, received } = await connection(port);
    socket.write(head("transfer-encoding: chunked"));
    socket.write("1\r\nx\r\n".repeat(90_000));
    socket.write("0\r\n\r\n");
    await until(() => received().includes("\r\n\r\n") && received().endsWith("x".repeat(90_000)));
  });
});
