/** The trace routes: what is taken, what is answered, in either encoding, on either path. */
import { readFileSync } from "node:fs";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { PbfReader } from "pbf";
import { describe, expect, test } from "vitest";
import type { OtlpRequest, OtlpSpan } from "../../src/otlp/otlp-shape.ts";
import {
  authorization,
  type Encoding,
  encodings,
  FakeSink,
  otlpSpan,
  paths,
  post,
  receiving,
  requestOf,
  spanId,
  textAttribute,
} from "./traces-support/receiving.ts";

const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url), "utf8"),
) as OtlpRequest;

const ways = encodings.flatMap((encoding) =>
  paths.map((path): [string, string, Encoding] => [encoding.name, path, encoding]),
);

interface Answer {
  status: number;
  contentType: string | null;
  /** Of a `Status`. */
  message?: string;
  rejectedSpans?: number;
  errorMessage?: string;
  bytes: number;
}

/** By a reader of its own, in the encoding that the answer says it is in. */
async function answerOf(response: Response): Promise<Answer> {
  const body = Buffer.from(await response.arrayBuffer());
  const contentType = response.headers.get("content-type");
  const answer: Answer = { status: response.status, contentType, bytes: body.length };
  if (contentType === "application/json") {
    const { message, partialSuccess } = JSON.parse(body.toString()) as {
      message?: string;
      partialSuccess?: { rejectedSpans: string; errorMessage: string };
    };
    if (message !== undefined) answer.message = message;
    if (partialSuccess === undefined) return answer;
    return { ...answer, ...partialSuccess, rejectedSpans: Number(partialSuccess.rejectedSpans) };
  }
  const isSuccess = response.status === 200;
  return new PbfReader(body).readFields((tag, result, pbf) => {
    if (isSuccess && tag === 1) {
      pbf.readMessage((inner, partial) => {
        if (inner === 1) partial.rejectedSpans = pbf.readVarint();
        else if (inner === 2) partial.errorMessage = pbf.readString();
      }, result);
    } else if (!isSuccess && tag === 2) result.message = pbf.readString();
  }, answer);
}

describe.each(ways)("%s to %s", (_name, path, { encode, contentType, name }) => {
  test("spans are offered as they were sent, and the answer is empty", async () => {
    const sink = new FakeSink();
    const { app, counted } = receiving(sink, { enrich: false });
    const response = await app.request(path, post(encode(fixture), contentType));
    expect(await answerOf(response)).toEqual({ status: 200, contentType, bytes: name === "json" ? 2 : 0 });
    const sent = (fixture.resourceSpans ?? []).flatMap(({ scopeSpans = [] }) =>
      scopeSpans.flatMap(({ spans = [] }) => spans),
    );
    expect(sink.offered.map(({ spanId }) => spanId)).toEqual(sent.map(({ spanId }) => spanId));
    const [first] = sink.offered;
    expect(first).toMatchObject({
      name: "stt",
      parentSpanId: "b000000000000001",
      startTimeUnixNano: "1793520001000000000",
      scope: { name: "pipecat" },
      resource: fixture.resourceSpans?.[0]?.resource as object,
      attributes: sent[0]?.attributes as object[],
    });
    expect(counted).toEqual(["accepted span 9"]);
  });

  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
  ] as const)("compressed with %s", async (encoding, compress) => {
    const sink = new FakeSink();
    const { app } = receiving(sink);
    const body = new Uint8Array(compress(encode(fixture)));
    const response = await app.request(path, post(body, contentType, { "content-encoding": encoding }));
    expect(response.status).toBe(200);
    expect(sink.offered).toHaveLength(9);
  });

  test("an empty request succeeds", async () => {
    const sink = new FakeSink();
    const { app, counted } = receiving(sink);
    for (const request of [{}, { resourceSpans: [] }, { resourceSpans: [{ scopeSpans: [{ spans: [] }] }] }]) {
      expect((await app.request(path, post(encode(request), contentType))).status).toBe(200);
    }
    expect(counted).toEqual([]);
  });

  test("spans that Langfuse could never store are named and counted; the others are stored", async () => {
    const sink = new FakeSink();
    const { app, counted, said } = receiving(sink);
    const { endTimeUnixNano: _, ...endless } = otlpSpan(3);
    const bad: OtlpSpan[] = [
      otlpSpan(2, { traceId: "0".repeat(32) }),
      endless,
      ...[4, 5, 6, 7].map((number) => otlpSpan(number, { spanId: "abcd" })),
    ];
    const request = requestOf([otlpSpan(1), ...bad, otlpSpan(8)]);
    const answer = await answerOf(await app.request(path, post(encode(request), contentType)));
    expect(answer).toMatchObject({ status: 200, contentType, rejectedSpans: 6 });
    expect(answer.errorMessage).toBe(
      [
        `span ${spanId(2)}: traceId is not 32 hex digits`,
        `span ${spanId(3)}: no endTimeUnixNano`,
        "span number 4 of the request: spanId is not 16 hex digits",
        "span number 5 of the request: spanId is not 16 hex digits",
        "span number 6 of the request: spanId is not 16 hex digits",
        "and 1 more",
      ].join("; "),
    );
    expect(sink.offered.map(({ spanId }) => spanId)).toEqual([spanId(1), spanId(8)]);
    expect(counted).toEqual([
      "accepted span 2",
      "rejected span 1: traceId is not 32 hex digits",
      "rejected span 1: no endTimeUnixNano",
      "rejected span 4: spanId is not 16 hex digits",
    ]);
    expect(said).toHaveLength(1);
    await app.request(path, post(encode(request), contentType));
    expect(said).toHaveLength(1);
  });

  test("what cannot be parsed is a 400 with a Status", async () => {
    const sink = new FakeSink();
    const { app } = receiving(sink);
    const body = encode(fixture).slice(0, 500);
    const answer = await answerOf(await app.request(path, post(body, contentType)));
    expect(answer).toMatchObject({ status: 400, contentType });
    expect(answer.message).toMatch(/no ExportTraceServiceRequest/);
    expect(sink.offered).toHaveLength(0);
  });

  test("too large, before and after decompression", async () => {
    const sink = new FakeSink();
    const { app } = receiving(sink, { maxRequestBytes: 2_000 });
    const body = encode(fixture);
    const answers = [
      await app.request(path, post(body, contentType)),
      await app.request(path, post(new Uint8Array(gzipSync(body)), contentType, { "content-encoding": "gzip" })),
    ];
    for (const answer of answers) expect(await answerOf(answer)).toMatchObject({ status: 413, contentType });
    expect(sink.offered).toHaveLength(0);
  });

  test("another compression is a 415 with a Status", async () => {
    const { app } = receiving(new FakeSink());
    const answer = await app.request(path, post(encode(fixture), contentType, { "content-encoding": "br" }));
    expect(await answerOf(answer)).toMatchObject({ status: 415, contentType });
  });

  test("a wrong key: Langfuse's body on its path, a Status on the other; nothing is read", async () => {
    const sink = new FakeSink();
    const { app } = receiving(sink);
    const response = await app.request(path, post(encode(fixture), contentType, { authorization: "Basic eA==" }));
    expect(await answerOf(response)).toMatchObject({
      status: 401,
      message: "Invalid credentials",
      contentType: path === "/v1/traces" ? contentType : "application/json",
    });
    expect(sink.offered).toHaveLength(0);
  });
});

test.each<[string, number, string]>([
  ["application/json; charset=utf-8", 200, "application/json"],
  ["Application/JSON", 200, "application/json"],
  ["text/json", 415, "application/json"],
  ["text/plain", 415, "application/json"],
  ["", 415, "application/json"],
])("content type %j: %i", async (contentType, status, expected) => {
  const { app } = receiving(new FakeSink());
  const body = new Uint8Array(Buffer.from(JSON.stringify(fixture)));
  const response = await app.request("/v1/traces", post(body, contentType));
  expect(await answerOf(response)).toMatchObject({ status, contentType: expected });
});

test("application/protobuf is protobuf, and is answered as such", async () => {
  const sink = new FakeSink();
  const { app } = receiving(sink);
  const body = encodings[0]?.encode(fixture) as Uint8Array<ArrayBuffer>;
  const response = await app.request("/v1/traces", post(body, "application/protobuf"));
  expect(await answerOf(response)).toEqual({ status: 200, contentType: "application/protobuf", bytes: 0 });
  expect(sink.offered).toHaveLength(9);
});

describe("what belongs to the trace", () => {
  const [, json] = encodings as [Encoding, Encoding];
  const spans = [
    otlpSpan(1),
    otlpSpan(2, { traceId: "c".repeat(32), attributes: [textAttribute("session.id", "own")] }),
  ];

  async function traceFields(given: object, headers: Record<string, string>): Promise<unknown[]> {
    const sink = new FakeSink();
    const { app } = receiving(sink, given);
    await app.request("/v1/traces", post(json.encode(requestOf(spans)), json.contentType, headers));
    return sink.offered.map(({ trace }) => trace);
  }

  const traceDefaults = { sessionId: "s", userId: "u", tags: ["a"] };

  test.each([true, false])(
    "by the sidecar's options, for a span that does not say it (enricher: %s)",
    async (enrich) => {
      expect(await traceFields({ enrich, traceDefaults }, {})).toEqual([
        { sessionId: "s", userId: "u", tags: ["a"] },
        { userId: "u", tags: ["a"] },
      ]);
    },
  );

  test.each([true, false])("by the request's headers, before those (enricher: %s)", async (enrich) => {
    const headers = {
      "x-span-buffer-session-id": " of-request ",
      "x-span-buffer-trace-name": "call",
      "x-span-buffer-tags": "b, c,,b",
      "x-span-buffer-user-id": "",
    };
    expect(await traceFields({ enrich, traceDefaults }, headers)).toEqual([
      { sessionId: "of-request", userId: "u", traceName: "call", tags: ["b", "c"] },
      { userId: "u", traceName: "call", tags: ["b", "c"] },
    ]);
  });

  test("without either nothing is added", async () => {
    expect(await traceFields({ enrich: false }, {})).toEqual([undefined, undefined]);
  });

  test("the enricher learns from all spans of a request before the first is offered", async () => {
    const sink = new FakeSink();
    const { app } = receiving(sink);
    await app.request("/v1/traces", post(json.encode(fixture), json.contentType));
    // The root, which comes last, alone says it.
    expect(sink.offered[0]?.name).toBe("stt");
    expect(sink.offered[0]?.trace?.sessionId).toBeTypeOf("string");
    const plain = new FakeSink();
    await receiving(plain, { enrich: false }).app.request("/v1/traces", post(json.encode(fixture), json.contentType));
    expect(plain.offered.every(({ trace }) => trace === undefined)).toBe(true);
  });
});

test("neither keys nor payloads are in a log", async () => {
  const sink = new FakeSink();
  const { app, said } = receiving(sink);
  const [, json] = encodings as [Encoding, Encoding];
  const secret = otlpSpan(1, { traceId: "x", attributes: [textAttribute("k", "payload-text")], name: "payload-text" });
  await app.request("/v1/traces", post(json.encode(requestOf([secret])), json.contentType));
  await app.request("/v1/traces", post(new Uint8Array(Buffer.from('{"payload-text')), json.contentType));
  expect(said).toHaveLength(1);
  for (const line of said) expect(line).not.toMatch(new RegExp(`payload-text|${authorization.slice(6)}|sk-lf`));
});
