import type { IncomingMessage } from "node:http";
import { Readable, type Transform } from "node:stream";
import { createGunzip, createInflate, createInflateRaw, type ZlibOptions } from "node:zlib";
import type { Context } from "hono";
import { BodyBuffer, type Full } from "./body-buffer.ts";

export interface BodyLimits {
  /** Of the body as it comes, and again of what it is when decompressed. */
  maxBytes: number;
}

export interface BodyRefusal {
  /** 503: all bodies under way together take too much memory, try again. */
  status: 400 | 413 | 415 | 503;
  /** One line for people. */
  message: string;
}

/** Each step of decompression is a trip to another thread and back. */
const zlibOptions: ZlibOptions = { chunkSize: 64 * 1024 };

type Decompress = (compressed: Buffer) => Transform;

/** `Content-Encoding` → what undoes it. */
const decompressors: Readonly<Record<string, Decompress | undefined>> = {
  gzip: () => createGunzip(zlibOptions),
  "x-gzip": () => createGunzip(zlibOptions),
  deflate: (compressed) => (hasZlibHeader(compressed) ? createInflate(zlibOptions) : createInflateRaw(zlibOptions)),
};

const uncompressed: ReadonlySet<string> = new Set(["", "identity"]);

/**
 * The body of a request, decompressed. The limits are counted while it comes, and while it is decompressed, so that
 * neither a client that does not end nor a gzip bomb costs more than them. Never rejects.
 *
 * What is refused is not read to its end: the Node server's adapter passes over the rest for half a second, in which a
 * client that still sends can see the answer, and closes the connection then.
 */
export async function readBody(context: Context, limits: BodyLimits): Promise<{ body: Buffer } | BodyRefusal> {
  const { maxBytes } = limits;
  const encoding = (context.req.header("content-encoding") ?? "").trim().toLowerCase();
  const decompress = Object.hasOwn(decompressors, encoding) ? decompressors[encoding] : undefined;
  if (decompress === undefined && !uncompressed.has(encoding)) return unknownEncoding(encoding);
  if (Number(context.req.header("content-length") ?? 0) > maxBytes) return refusalOf("too-large", maxBytes);
  const stream = bodyStream(context);
  const compressed = stream === undefined ? { body: Buffer.alloc(0) } : await collect(stream, maxBytes, brokenStream);
  if (decompress === undefined || "status" in compressed || compressed.body.length === 0) return compressed;
  const decompressing = decompress(compressed.body);
  const decompressed = collect(decompressing, maxBytes, () => notCompressed(encoding));
  decompressing.end(compressed.body);
  return await decompressed;
}

/** Node's own stream where there is one: the Web's costs more than many a body. */
function bodyStream(context: Context): Readable | undefined {
  const { incoming } = (context.env ?? {}) as { incoming?: IncomingMessage };
  if (incoming !== undefined) return incoming;
  const { body } = context.req.raw;
  return body === null ? undefined : Readable.fromWeb(body);
}

/** Everything that the stream gives; what cannot be taken ends it, unless it is the connection's. */
function collect(
  stream: Readable,
  maxBytes: number,
  broken: () => BodyRefusal,
): Promise<{ body: Buffer } | BodyRefusal> {
  return new Promise((resolve) => {
    const buffer = new BodyBuffer(maxBytes);
    const settle = (outcome: { body: Buffer } | BodyRefusal): void => {
      stream.off("data", onData);
      buffer.release();
      resolve(outcome);
    };
    const onData = (part: Buffer): void => {
      const full = buffer.append(part);
      if (full === undefined) return;
      settle(refusalOf(full, maxBytes));
      // The connection stays for the answer.
      if (!("httpVersion" in stream)) stream.destroy();
    };
    stream.on("data", onData);
    stream.once("end", () => {
      const body = buffer.take();
      settle(body === undefined ? refusalOf("no-memory", maxBytes) : { body });
    });
    // Also those that come after the end of our interest: nobody else listens.
    stream.on("error", () => settle(broken()));
    stream.once("close", () => settle(broken()));
    // A connection that was lost before does not say so again.
    if (stream.destroyed || stream.readableEnded) settle(broken());
  });
}

function refusalOf(full: Full, maxBytes: number): BodyRefusal {
  if (full === "no-memory") return { status: 503, message: "too many large requests at once" };
  return { status: 413, message: `the body is larger than ${maxBytes} bytes, which count after decompression too` };
}

function brokenStream(): BodyRefusal {
  return { status: 400, message: "the body ended before its time" };
}

function notCompressed(encoding: string): BodyRefusal {
  return { status: 400, message: `the body is not, or not whole, what its content-encoding ${encoding} says` };
}

function unknownEncoding(encoding: string): BodyRefusal {
  const shown = JSON.stringify(encoding.slice(0, 40));
  return { status: 415, message: `content-encoding ${shown} is not supported: gzip, deflate or none is` };
}

/** Most clients say deflate and mean zlib's format, as the standard does; some send what the word says. RFC 1950, 2.2. */
function hasZlibHeader(bytes: Buffer): boolean {
  const [method = 0, flags = 0] = bytes;
  return (method & 0x0f) === 8 && method >> 4 <= 7 && (method * 256 + flags) % 31 === 0;
}
