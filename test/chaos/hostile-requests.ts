/** Requests that nobody sends by mistake, drawn from a seed. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { OtlpRequest } from "../../src/otlp/otlp-shape.ts";
import { encodeOtlpRequest } from "../otlp/encode-request.ts";
import type { Random } from "./random.ts";
import { keys } from "./scenario.ts";

export interface HostileRequest {
  kind: string;
  bytes: Buffer;
}

export const authorization: string = `Basic ${Buffer.from(`${keys.publicKey}:${keys.secretKey}`).toString("base64")}`;
const paths = ["/v1/traces", "/api/public/otel/v1/traces"];
const types = { protobuf: "application/x-protobuf", json: "application/json" } as const;

const fixtureUrl = new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url);
const fixture = JSON.parse(readFileSync(fixtureUrl, "utf8")) as OtlpRequest;
/** One span of it, which most requests are made of: a mutation hits more of what matters. */
const single: OtlpRequest = {
  resourceSpans: (fixture.resourceSpans ?? []).slice(0, 1).map(({ resource, scopeSpans = [] }) => ({
    ...(resource === undefined ? {} : { resource }),
    scopeSpans: scopeSpans.slice(0, 1).map(({ spans = [], ...scope }) => ({ ...scope, spans: spans.slice(0, 1) })),
  })),
};
const valid = {
  protobuf: [single, single, single, fixture].map((request) => encodeOtlpRequest(request)),
  json: [single, single, single, fixture].map((request) => Buffer.from(JSON.stringify(request))),
} as const;
const compressed = valid.json.map((body) => gzipSync(body));

const mebibyte = 1024 * 1024;
/** Beyond the limit of 64 MiB, below it and no request, below it with more parts or entries than are taken. */
const bombs = [
  Buffer.alloc(200 * mebibyte),
  Buffer.alloc(65 * mebibyte, " "),
  Buffer.alloc(24 * mebibyte, "["),
  Buffer.from(`{"resourceSpans":[${"{},".repeat(3_000_000)}{}]}`),
  Buffer.alloc(16 * mebibyte, Buffer.of(18, 0)),
  // One resource of as many empty scopes: 16 MiB as a varint is 80 80 80 08.
  Buffer.concat([Buffer.of(10, 0x80, 0x80, 0x80, 8), Buffer.alloc(16 * mebibyte, Buffer.of(18, 0))]),
].map((body) => gzipSync(body, { level: 9 }));

type Draw = (random: Random) => Buffer;

/** Framed as HTTP wants it, so that others may follow on the connection, and each is answered. */
const framed: Readonly<Record<string, Draw>> = {
  "random body": (random) => post(random, randomBytes(random, 400), { type: random.pick(Object.values(types)) }),
  "mutated protobuf": (random) => post(random, mutated(random, random.pick(valid.protobuf)), { type: types.protobuf }),
  "mutated JSON": (random) => post(random, mutated(random, random.pick(valid.json)), { type: types.json }),
  "broken gzip": (random) =>
    post(random, mutated(random, random.pick(compressed)), {
      headers: `content-encoding: ${random.pick(["gzip", "deflate", "x-gzip", "br", "gzip, gzip"])}\r\n`,
    }),
  "wrong content type": (random) =>
    post(random, random.pick(valid.json), {
      type: random.pick([
        "text/plain",
        "",
        types.protobuf,
        "application/json/x",
        "multipart/form-data",
        ";;;",
        "__proto__",
      ]),
    }),
  "wrong method": (random) =>
    post(random, random.pick(valid.json), { method: random.pick(["GET", "PUT", "PATCH", "DELETE", "OPTIONS"]) }),
  "wrong auth": (random) =>
    post(random, random.pick(valid.json), {
      auth: random.pick([
        "Basic",
        "Basic !!!!",
        `Bearer ${keys.publicKey}`,
        `Basic ${randomBytes(random, 90).toString("base64")}`,
        "Basic%20cGs6c2s=",
        `Digest ${"a".repeat(2_000)}`,
      ]),
    }),
};

/** The last on their connection: what follows them means nothing, or is taken for a part of them. */
const unframed: Readonly<Record<string, Draw>> = {
  "random bytes": (random) => randomBytes(random, 400),
  "too short a length": (random) => {
    const body = random.pick(valid.json);
    return post(random, body, { length: random.whole(0, body.length - 1) });
  },
  "too long a length": (random) => {
    const body = random.pick(valid.protobuf);
    return post(random, body, { type: types.protobuf, length: body.length + random.whole(1, 5_000) });
  },
  "no length": (random) =>
    post(random, random.pick(valid.json), { length: random.pick([-1, Number.NaN, 1e21, 65 * mebibyte]) }),
  "broken chunks": (random) => {
    const chunk = random.pick(["zz\r\n", "ffffffffffffffff\r\n", "5\r\nab\r\n0\r\n\r\n", "-1\r\n\r\n", "4\r\n"]);
    return Buffer.from(`POST ${random.pick(paths)} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`);
  },
  "huge headers": (random) =>
    post(random, random.pick(valid.json), { headers: `x: ${"h".repeat(random.whole(17, 120) * 1024)}\r\n` }),
  "many headers": (random) =>
    post(random, random.pick(valid.json), { headers: "a: b\r\n".repeat(random.whole(500, 4_000)) }),
  "unknown method": (random) =>
    post(random, random.pick(valid.json), {
      method: random.pick(["HEAD", "TRACE", "CONNECT", "PRI", "NOTHING", "post"]),
    }),
  "mutated request": (random) => mutated(random, post(random, random.pick(valid.json)), 200),
};

export function drawFramed(random: Random): HostileRequest {
  return drawFrom(framed, random);
}

export function drawUnframed(random: Random): HostileRequest {
  return drawFrom(unframed, random);
}

export function drawBomb(random: Random): HostileRequest {
  const type = random.pick([types.json, types.protobuf]);
  return {
    kind: "gzip bomb",
    bytes: post(random, random.pick(bombs), { type, headers: "content-encoding: gzip\r\n" }),
  };
}

/** Sound but for the pace at which it is sent. */
export function drawSlow(random: Random): HostileRequest {
  return { kind: "slow body", bytes: post(random, random.pick(valid.json)) };
}

function drawFrom(draws: Readonly<Record<string, Draw>>, random: Random): HostileRequest {
  const [kind, draw] = random.pick(Object.entries(draws));
  return { kind, bytes: draw(random) };
}

interface Parts {
  method?: string;
  type?: string;
  auth?: string;
  headers?: string;
  length?: number;
}

function post(random: Random, body: Buffer, parts: Parts = {}): Buffer {
  const { method = "POST", type = types.json, auth = authorization, headers = "" } = parts;
  const { length = body.length } = parts;
  const head =
    `${method} ${random.pick(paths)} HTTP/1.1\r\nhost: x\r\nauthorization: ${auth}\r\n` +
    `content-type: ${type}\r\ncontent-length: ${length}\r\n${headers}\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

function randomBytes(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: random.whole(0, most) }, () => random.whole(0, 255)));
}

/** Some bytes flipped, and now and then a stretch cut out or doubled; in its first `within` bytes. */
function mutated(random: Random, whole: Buffer, within: number = whole.length): Buffer {
  const copy = Buffer.from(whole);
  for (let flips = random.whole(0, 4); flips > 0; flips--) {
    copy[random.whole(0, Math.min(within, copy.length) - 1)] = random.whole(0, 255);
  }
  const from = random.whole(0, Math.min(within, copy.length) - 1);
  const length = random.whole(1, 50);
  switch (random.whole(0, 3)) {
    case 0:
      return Buffer.concat([copy.subarray(0, from), copy.subarray(from + length)]);
    case 1:
      return Buffer.concat([copy.subarray(0, from + length), copy.subarray(from)]);
    case 2:
      return copy.subarray(0, from + 1);
    default:
      return copy;
  }
}
