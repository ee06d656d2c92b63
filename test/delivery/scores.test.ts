import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Score } from "../../src/index.ts";
import { makeTracer } from "../tracing/make-tracer.ts";
import { bufferFor, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("scores of a span, a trace and a session arrive as what they are", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { environment: "prod" });
  const span = buffer.startSpan("turn");
  span.score({ name: "quality", value: 0.9, comment: "fine", metadata: { by: "judge" } });
  span.end();
  span.score({ name: "helpful", value: true });
  const { traceId, spanId } = span;
  expect(buffer.score({ traceId, name: "tone", value: "warm", dataType: "CATEGORICAL" })).toBe(true);
  expect(buffer.score({ sessionId: "call-4711", name: "solved", value: 1, configId: "config-1" })).toBe(true);
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 5, pending: 0, deadLettered: 0 });
  const [quality, helpful, tone, solved] = server.scores();
  const of = { traceId, observationId: spanId, environment: "prod" };
  expect(quality).toMatchObject({ ...of, name: "quality", value: 0.9, dataType: "NUMERIC", comment: "fine" });
  expect(quality?.["metadata"]).toEqual({ by: "judge" });
  expect(helpful).toMatchObject({ ...of, name: "helpful", value: 1, dataType: "BOOLEAN" });
  expect(tone).toMatchObject({ traceId, name: "tone", value: "warm", dataType: "CATEGORICAL" });
  expect(solved).toMatchObject({ sessionId: "call-4711", value: 1, configId: "config-1" });
  expect(solved).not.toHaveProperty("dataType");
  expect(buffer.stats()).toMatchObject({ accepted: 1, acknowledged: 1, scores: { accepted: 4, acknowledged: 4 } });
});

test("a score with the id of an earlier one takes its place", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  for (const value of [1, 2])
    buffer.score({ id: "judged", traceId: "0af7651916cd43dd8448eb211c80319c", name: "n", value });
  await buffer.flush({ timeoutMs: 20_000 });
  expect(server.scores().map(({ id }) => id)).toEqual(["judged"]);
});

test("scores of an outage are journalled, and delivered by the next start, which is not asked for any", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  const first = bufferFor(server.url, { directory });
  for (let index = 0; index < 30; index++) first.score({ sessionId: "s", name: `score ${index}`, value: index });
  expect(await first.shutdown({ timeoutMs: 3_000 })).toMatchObject({ acknowledged: 0, pending: 30 });
  await server.setFault(undefined);
  const second = bufferFor(server.url, { directory });
  await until(() => second.stats().scores?.recovered === 30);
  expect(await second.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 30, pending: 0 });
  expect(new Set(server.scores().map(({ name }) => name)).size).toBe(30);
});

test("without a score there is no thread, no folder and no figure for them", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const buffer = bufferFor(server.url, { directory });
  buffer.startSpan("span").end();
  expect(await buffer.scoreDeadLetters.list()).toEqual({ letters: [], next: undefined });
  await buffer.flush();
  expect(buffer.stats()).not.toHaveProperty("scores");
  expect(existsSync(join(directory, "events"))).toBe(false);
  await buffer.shutdown();
  expect(buffer.score({ sessionId: "s", name: "late", value: 1 })).toBe(false);
  expect(buffer.stats().scores).toMatchObject({ accepted: 1, dropped: { "shut-down": 1 } });
});

test("a score that Langfuse refuses, or that cannot be read, becomes a dead letter with the reason; others arrive", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  buffer.score({ sessionId: "s", name: "good", value: 1 });
  buffer.score({ name: "of nothing", value: 1 });
  const unreadable = {
    get name(): string {
      throw new Error("no name");
    },
  };
  buffer.score(unreadable as unknown as Score);
  buffer.score(undefined as unknown as Score);
  buffer
    .startSpan("span")
    .score(unreadable as unknown as Score)
    .end();
  await buffer.flush({ timeoutMs: 20_000 });
  const { scores } = buffer.stats();
  expect(scores).toMatchObject({ accepted: 4, acknowledged: 1, deadLettered: 3, pending: 0 });
  expect(missingFromAccount(scores as NonNullable<typeof scores>)).toBe(0);
  const { letters } = await buffer.scoreDeadLetters.list();
  expect(letters.map(({ reason }) => reason).join("\n")).toMatch(/Provide exactly one of traceId/);
  expect((await buffer.deadLetters.list()).letters).toEqual([]);
});

test("conservation, while scores and spans come and Langfuse is away now and then", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  let wrong = 0;
  const look = (): void => {
    const stats = buffer.stats();
    if (missingFromAccount(stats) !== 0) wrong++;
    if (stats.scores !== undefined && missingFromAccount(stats.scores) !== 0) wrong++;
  };
  for (let round = 0; round < 20; round++) {
    await server.setFault(round % 5 === 3 ? { kind: "down" } : undefined);
    for (let index = 0; index < 50; index++) {
      buffer.startSpan("span").score({ name: "n", value: index }).end();
      look();
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    look();
  }
  await server.setFault(undefined);
  expect(await buffer.flush({ timeoutMs: 25_000 })).toMatchObject({ acknowledged: 2_000, pending: 0 });
  expect(wrong).toBe(0);
  expect(server.scores().length).toBe(1_000);
});

test("the scores of a trace that is not in the sample stay at home with it, and are counted", () => {
  const { tracer, scores, sampledOut } = makeTracer({ sampleRate: 0 });
  const span = tracer.startSpan("span");
  span.score({ name: "n", value: 1 });
  expect(tracer.score({ traceId: span.traceId, name: "n", value: 1 })).toBe(false);
  expect(tracer.score({ sessionId: "s", name: "n", value: 1 })).toBe(true);
  expect([scores.length, sampledOut()]).toEqual([1, 2]);
  const buffer = bufferFor("http://127.0.0.1:9", { sampleRate: 0 });
  buffer.startSpan("span").score({ name: "n", value: 1 });
  expect(buffer.stats().scores).toMatchObject({ accepted: 1, dropped: { "sampled-out": 1 } });
});

test("scores of two projects go to each its own", async () => {
  const acme = { publicKey: "pk-lf-acme", secretKey: "sk-lf-acme" };
  const [own, other] = [await standIn(), await standIn(acme)];
  const buffer = bufferFor(own.url, { destinations: { acme: { ...acme, baseUrl: other.url } } });
  buffer.score({ sessionId: "s", name: "own", value: 1 });
  buffer.destination("acme").startSpan("span").score({ name: "acme's", value: 1 }).end();
  await buffer.flush({ timeoutMs: 20_000 });
  expect([own.scores().map(({ name }) => name), other.scores().map(({ name }) => name)]).toEqual([["own"], ["acme's"]]);
  expect(buffer.stats()).toMatchObject({
    scores: { acknowledged: 1 },
    destinations: { acme: { scores: { acknowledged: 1 } } },
  });
});

test("what earlier scores left is opened behind the constructor, and by a flush that comes before that", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  const first = bufferFor(server.url, { directory });
  first.score({ sessionId: "s", name: "left", value: 1 });
  await first.shutdown({ timeoutMs: 1_000 });
  const second = bufferFor(server.url, { directory });
  expect(second.stats()).not.toHaveProperty("scores");
  await until(() => second.stats().scores !== undefined);
  await second.shutdown({ timeoutMs: 500 });
  await server.setFault(undefined);
  const third = bufferFor(server.url, { directory });
  expect(await third.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 1 });
});
