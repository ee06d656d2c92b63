import { expect, onTestFinished, test } from "vitest";
import { SpanBuffer, type SpanDestination } from "../../src/index.ts";
import type { Fault } from "../../src/stand-in/index.ts";
import { bufferFor, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const acme = { publicKey: "pk-lf-acme", secretKey: "sk-lf-acme" };

function endSpansOf(destination: Pick<SpanDestination, "startSpan">, count: number): string[] {
  return Array.from({ length: count }, () => {
    const span = destination.startSpan("span");
    span.end();
    return span.spanId;
  });
}

test("the spans of two projects go to each its own, and the counts are of each and of both", async () => {
  const [own, other] = [await standIn(), await standIn(acme)];
  const buffer = bufferFor(own.url, { destinations: { acme: { ...acme, baseUrl: `${other.url}/` } } });
  const ownIds: string[] = [];
  const otherIds: string[] = [];
  for (let round = 0; round < 50; round++) {
    ownIds.push(...endSpansOf(buffer, 10));
    otherIds.push(...endSpansOf(buffer.destination("acme"), 7));
  }
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 850, pending: 0, timedOut: false });
  // Each server knows one pair of keys: a span with the other's keys would have been refused.
  expect(new Set(Object.keys(own.ids()))).toEqual(new Set(ownIds));
  expect(new Set(Object.keys(other.ids()))).toEqual(new Set(otherIds));
  expect(buffer.stats()).toMatchObject({ accepted: 500, destinations: { acme: { accepted: 350, acknowledged: 350 } } });
});

test.each<[string, Fault]>([
  ["an outage", { kind: "down" }],
  ["hanging", { kind: "hang" }],
  ["a 401", { kind: "unauthorized" }],
  ["a 429 for ten minutes", { kind: "rate-limited", retryAfter: "600" }],
])(
  "%s of one project does not slow the other",
  async (_name, fault) => {
    const [own, other] = [await standIn(), await standIn(acme)];
    const buffer = bufferFor(own.url, { destinations: { acme: { ...acme, baseUrl: other.url } } });
    await own.setFault(fault);
    endSpansOf(buffer, 1_000);
    await until(() => own.account().requests > 0 || buffer.stats().state !== "sending");
    for (let round = 1; round <= 5; round++) {
      endSpansOf(buffer.destination("acme"), 200);
      await until(() => buffer.destination("acme").stats().acknowledged === round * 200);
    }
    expect(buffer.stats()).toMatchObject({ acknowledged: 0, pending: 1_000 });
    expect(buffer.destination("acme").stats()).toMatchObject({ state: "sending", resent: 0 });
    expect(missingFromAccount(buffer.stats())).toBe(0);
    expect(other.account()).toMatchObject({ spans: 1_000, twice: 0 });
  },
  30_000,
);

test("what an outage left for two projects is delivered to each at the next start", async () => {
  const [own, other] = [await standIn(), await standIn(acme)];
  const directory = temporaryDirectory();
  const options = { directory, destinations: { acme: { ...acme, baseUrl: other.url } } };
  for (const server of [own, other]) await server.setFault({ kind: "down" });
  const first = bufferFor(own.url, options);
  const ownIds = endSpansOf(first, 30);
  const otherIds = endSpansOf(first.destination("acme"), 20);
  await first.shutdown({ timeoutMs: 4_000 });
  for (const server of [own, other]) await server.setFault(undefined);
  const second = bufferFor(own.url, options);
  await until(() => second.stats().recovered === 30 && second.destination("acme").stats().recovered === 20);
  expect(await second.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 50, pending: 0 });
  expect(new Set(Object.keys(own.ids()))).toEqual(new Set(ownIds));
  expect(new Set(Object.keys(other.ids()))).toEqual(new Set(otherIds));
});

test("a destination that nobody has named is refused in so many words", () => {
  const buffer = bufferFor("http://127.0.0.1:9", { destinations: { acme, "b.2": acme } });
  expect(() => buffer.destination("acne")).toThrow(/no destination "acne": there are "acme", "b\.2"/);
  expect(() => bufferFor("http://127.0.0.1:9").destination("acme")).toThrow(/the option destinations is not set/);
});

test("notices say which destination they are about", async () => {
  const notices: string[] = [];
  const buffer = bufferFor("http://127.0.0.1:9", {
    publicKey: undefined,
    secretKey: undefined,
    logger: { warn: (message) => notices.push(message) },
    destinations: { acme },
  });
  endSpansOf(buffer.destination("acme"), 1);
  await until(() => notices.length >= 2);
  expect(notices.some((notice) => notice.startsWith("no Langfuse keys"))).toBe(true);
  expect(notices.some((notice) => notice.startsWith("destination acme: Langfuse at http://127.0.0.1:9"))).toBe(true);
});

test("off, a destination is a no-op like the buffer itself", async () => {
  const buffer = new SpanBuffer({ enabled: false, destinations: { acme } });
  onTestFinished(() => buffer.shutdown().then(() => undefined));
  expect(() => buffer.destination("acme")).not.toThrow();
  const destination = buffer.destination("acme");
  destination.startSpan("span").end();
  expect(destination.enqueue({} as never)).toBe(false);
  expect(destination.stats().accepted).toBe(0);
  expect(await destination.authCheck()).toMatchObject({ ok: false, cause: "disabled" });
});
