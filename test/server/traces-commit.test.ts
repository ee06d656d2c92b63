/** Nobody is told that spans are stored before they are, and who repeats a request has them stored once. */
import { describe, expect, test } from "vitest";
import { until } from "../support/buffers.ts";
import {
  type Encoding,
  encodings,
  FakeSink,
  otlpSpan,
  post,
  receiving,
  requestOf,
  spanId,
} from "./traces-support/receiving.ts";

const path = "/v1/traces";
const [protobuf] = encodings as [Encoding, Encoding];

function requestWith(numbers: readonly number[], { encode, contentType }: Encoding = protobuf): RequestInit {
  return post(encode(requestOf(numbers.map((number) => otlpSpan(number)))), contentType);
}

describe("commits", () => {
  test("200 comes after the commit, not before", async () => {
    const sink = new FakeSink(true);
    const { app, counted } = receiving(sink);
    let status = 0;
    const answered = Promise.resolve(app.request(path, requestWith([1, 2]))).then(
      (response) => (status = response.status),
    );
    await until(() => sink.waiting === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(status).toBe(0);
    expect(counted).toEqual([]);
    sink.commit();
    await answered;
    expect(status).toBe(200);
    expect(counted).toEqual(["accepted span 2"]);
  });

  test("requests of one moment are answered by one commit", async () => {
    const sink = new FakeSink(true);
    const { app } = receiving(sink);
    const answers = Promise.all(
      Array.from({ length: 50 }, async (_, index) => await app.request(path, requestWith([index]))),
    );
    await until(() => sink.waiting === 50);
    expect(sink.offered).toHaveLength(50);
    sink.commit();
    expect((await answers).map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    expect(sink.waits).toBe(50);
  });

  test("a commit that does not come is a 503 with Retry-After", async () => {
    const sink = new FakeSink(true);
    const { app, counted } = receiving(sink, { commitTimeoutMs: 20 });
    const response = await app.request(path, requestWith([1]));
    expect(response.status).toBe(503);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(response.headers.get("content-type")).toBe("application/x-protobuf");
    expect(counted).toEqual(["unavailable"]);
  });

  test("with a journal in trouble nothing is offered, and it is a 503 at once", async () => {
    const sink = new FakeSink();
    sink.trouble = "the disk is full: /secret/path";
    const { app, counted } = receiving(sink);
    const response = await app.request(path, requestWith([1]));
    expect(response.status).toBe(503);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await response.text()).not.toContain("/secret/path");
    expect(sink.offered).toHaveLength(0);
    expect(counted).toEqual(["unavailable"]);
    sink.trouble = undefined;
    expect((await app.request(path, requestWith([1]))).status).toBe(200);
  });

  test("without room it is a 503; repeated, only what is missing is offered", async () => {
    const sink = new FakeSink();
    sink.room = 2;
    const { app, counted } = receiving(sink);
    expect((await app.request(path, requestWith([1, 2, 3]))).status).toBe(503);
    sink.room = 10;
    expect((await app.request(path, requestWith([1, 2, 3]))).status).toBe(200);
    expect(sink.offered.map(({ spanId }) => spanId)).toEqual([1, 2, 3].map(spanId));
    expect(counted).toEqual(["unavailable", "accepted span 1", "repeated span 2"]);
  });
});

describe.each(encodings.map((encoding): [string, Encoding] => [encoding.name, encoding]))(
  "repeats, %s",
  (_name, encoding) => {
    test("a request that comes again is stored once, and still waits for its commit", async () => {
      const sink = new FakeSink(true);
      const { app, counted } = receiving(sink, { commitTimeoutMs: 20 });
      expect((await app.request(path, requestWith([1, 2], encoding))).status).toBe(503);
      expect((await app.request(path, requestWith([1, 2], encoding))).status).toBe(503);
      sink.commit();
      expect((await app.request(path, requestWith([1, 2], encoding))).status).toBe(200);
      expect(sink.offered).toHaveLength(2);
      expect(counted).toEqual(["unavailable", "unavailable", "repeated span 2"]);
    });

    test("a commit of others is none of theirs", async () => {
      const sink = new FakeSink(true);
      const { app } = receiving(sink, { commitTimeoutMs: 20 });
      await app.request(path, requestWith([1], encoding));
      sink.commit();
      await app.request(path, requestWith([2], encoding));
      expect((await app.request(path, requestWith([1], encoding))).status).toBe(200);
      expect((await app.request(path, requestWith([2], encoding))).status).toBe(503);
      expect((await app.request(path, requestWith([1, 2], encoding))).status).toBe(503);
      expect(sink.offered).toHaveLength(2);
    });

    test("some of them in another request, with others", async () => {
      const sink = new FakeSink();
      const { app, counted } = receiving(sink);
      await app.request(path, requestWith([1, 2, 3], encoding));
      await app.request(path, requestWith([3, 4, 1], encoding));
      expect(sink.offered.map(({ spanId }) => spanId)).toEqual([1, 2, 3, 4].map(spanId));
      expect(counted).toEqual(["accepted span 3", "accepted span 1", "repeated span 2"]);
    });

    test("twice in one request", async () => {
      const sink = new FakeSink();
      const { app } = receiving(sink);
      await app.request(path, requestWith([1, 1, 2], encoding));
      await app.request(path, requestWith([1], encoding));
      expect(sink.offered.map(({ spanId }) => spanId)).toEqual([1, 2].map(spanId));
    });

    test("the same ids with other bytes are another version of the span", async () => {
      const sink = new FakeSink();
      const { app } = receiving(sink);
      const { encode, contentType } = encoding;
      for (const name of ["first", "second", "second"]) {
        await app.request(path, post(encode(requestOf([otlpSpan(1, { name })])), contentType));
      }
      expect(sink.offered.map(({ name }) => name)).toEqual(["first", "second"]);
    });

    test("the same span id in another trace is another span", async () => {
      const sink = new FakeSink();
      const { app } = receiving(sink);
      const { encode, contentType } = encoding;
      const request = requestOf([otlpSpan(1), otlpSpan(1, { traceId: "c".repeat(32) })]);
      await app.request(path, post(encode(request), contentType));
      await app.request(path, post(encode(request), contentType));
      expect(sink.offered).toHaveLength(2);
    });

    test("what may have been refused for want of room comes again as new", async () => {
      const sink = new FakeSink(true);
      const { app } = receiving(sink);
      const first = app.request(path, requestWith([1], encoding));
      await until(() => sink.waiting === 1);
      sink.commit({ isRefused: true });
      expect((await first).status).toBe(503);
      const second = app.request(path, requestWith([1], encoding));
      await until(() => sink.waiting === 1);
      sink.commit();
      expect((await second).status).toBe(200);
      expect(sink.offered).toHaveLength(2);
    });
  },
);

test("a repeat with the default session of another header is a repeat", async () => {
  const sink = new FakeSink();
  const { app } = receiving(sink);
  for (const session of ["a", "b"]) {
    const init = requestWith([1]);
    await app.request(path, { ...init, headers: { ...(init.headers as object), "x-span-buffer-session-id": session } });
  }
  expect(sink.offered).toHaveLength(1);
});

test("a request of thousands of spans is taken in pieces: others have their turn in between", async () => {
  const sink = new FakeSink();
  const { app } = receiving(sink);
  const numbers = Array.from({ length: 5_000 }, (_, index) => index);
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    if (isOver) return;
    turns++;
    setImmediate(turn);
  };
  const large = Promise.resolve(app.request(path, requestWith(numbers))).then((response) => {
    isOver = true;
    return response.status;
  });
  await until(() => sink.offered.length > 0);
  turns = 0;
  turn();
  expect(await large).toBe(200);
  expect(sink.offered).toHaveLength(5_000);
  expect(turns).toBeGreaterThanOrEqual(5_000 / 512 - 2);
});
