import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SpanBuffer } from "../../src/index.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("spans that ended before the pump was up arrive, each once", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const ids = endSpans(buffer, 250);
  const result = await buffer.flush({ timeoutMs: 20_000 });
  expect(result).toEqual({ acknowledged: 250, pending: 0, deadLettered: 0, dropped: 0, timedOut: false });
  expect(new Set(server.spans().map(({ id }) => id))).toEqual(new Set(ids));
  expect(server.account().twice).toBe(0);
});

test("20,000 spans while Langfuse is away, then back: all stored, none twice, conserved at every sample", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  await server.setFault({ kind: "down" });
  const gaps: number[] = [];
  const sampler = setInterval(() => gaps.push(missingFromAccount(buffer.stats())), 100);
  const ids: string[] = [];
  for (let round = 0; round < 100; round++) {
    ids.push(...endSpans(buffer, 200));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => buffer.stats().state === "backing-off");
  expect(server.account().spans).toBe(0);
  await server.setFault(undefined);
  const result = await buffer.flush({ timeoutMs: 25_000 });
  clearInterval(sampler);
  expect(result).toMatchObject({ acknowledged: 20_000, pending: 0, timedOut: false });
  expect(server.account()).toMatchObject({ spans: 20_000, twice: 0 });
  expect(new Set(server.spans().map(({ id }) => id))).toEqual(new Set(ids));
  expect(gaps.length).toBeGreaterThan(5);
  expect(gaps.filter((gap) => gap !== 0)).toEqual([]);
});

test("overflow: an outage that comes while spans flow loses none", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { durability: "overflow", maxQueueSize: 500 });
  endSpans(buffer, 1000);
  await buffer.flush({ timeoutMs: 10_000 });
  await server.setFault({ kind: "down" });
  endSpans(buffer, 3000);
  await until(() => buffer.stats().journalSpans > 0);
  await server.setFault(undefined);
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 4000, pending: 0 });
  expect(server.account()).toMatchObject({ spans: 4000, twice: 0 });
});

test("a burst of 200,000 spans of 1.2 KB in one synchronous loop loses nothing", async () => {
  // Without keys nothing is sent: what is asked is whether all of them reach the journal.
  const buffer = bufferFor("http://127.0.0.1:9", { publicKey: undefined, secretKey: undefined });
  const text = "x".repeat(1_000);
  for (let index = 0; index < 200_000; index++) buffer.startSpan("burst", { input: text, metadata: { index } }).end();
  expect(buffer.stats().dropped["memory-full"]).toBe(0);
  await until(() => buffer.stats().journalSpans === 200_000);
  expect(missingFromAccount(buffer.stats())).toBe(0);
});

test("what exceeds the caller's memory is dropped and counted, nothing else", async () => {
  const buffer = bufferFor("http://127.0.0.1:9", {
    maxMemoryBytes: 2 * 1024 * 1024,
    ringBytes: 4096,
    maxSpanBytes: 2000,
  });
  const text = "y".repeat(1_000);
  let refused = 0;
  const nowNanos = BigInt(Date.now()) * 1_000_000n;
  for (let index = 0; index < 5_000; index++) {
    const spanId = index.toString(16).padStart(16, "1");
    const record = {
      traceId: "a".repeat(32),
      spanId,
      name: text,
      startTimeUnixNano: nowNanos,
      endTimeUnixNano: nowNanos,
    };
    if (!buffer.enqueue(record)) refused++;
  }
  expect(refused).toBeGreaterThan(1_000);
  expect(buffer.stats().dropped["memory-full"]).toBe(refused);
  await until(() => buffer.stats().journalSpans === 5_000 - refused);
  expect(missingFromAccount(buffer.stats())).toBe(0);
});

test("later changes of the caller's objects do not show", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const input = { messages: ["first"] };
  const span = buffer.startSpan("snapshot", { input });
  input.messages.push("before the end");
  span.end();
  input.messages.push("after the end");
  await buffer.flush({ timeoutMs: 10_000 });
  expect(server.spans()[0]?.input).toEqual({ messages: ["first", "before the end"] });
});

test("one poison span goes to the dead letters with the server's reason, its batch arrives", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { batchSize: 100, flushInterval: 30 });
  const good = endSpans(buffer, 99);
  buffer.startSpan("poison", { attributes: { "stand-in.poison": true } }).end();
  expect(await buffer.flush({ timeoutMs: 15_000 })).toMatchObject({ acknowledged: 99, deadLettered: 1, pending: 0 });
  expect(new Set(server.spans().map(({ id }) => id))).toEqual(new Set(good));
  expect(server.account().twice).toBe(0);
});

test("spans wait without keys, and go with the first buffer that has them", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const warnings: string[] = [];
  const keyless = new SpanBuffer({ baseUrl: server.url, directory, logger: { warn: (text) => warnings.push(text) } });
  endSpans(keyless, 10);
  expect(await keyless.shutdown({ timeoutMs: 1_000 })).toMatchObject({ pending: 10 });
  expect(warnings.filter((text) => text.includes("LANGFUSE_PUBLIC_KEY")).length).toBe(1);
  const buffer = bufferFor(server.url, { directory });
  endSpans(buffer, 5);
  expect(await buffer.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 15 });
  expect(buffer.stats()).toMatchObject({ accepted: 15, recovered: 10 });
});

test("flush waits for no interval and for no full batch", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { flushInterval: 3_600 });
  endSpans(buffer, 7);
  expect(await buffer.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 7, timedOut: false });
});

test("flush ends at its limit with the true counts", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  await server.setFault({ kind: "hang" });
  endSpans(buffer, 10);
  expect(await buffer.flush({ timeoutMs: 300 })).toEqual({
    acknowledged: 0,
    pending: 10,
    deadLettered: 0,
    dropped: 0,
    timedOut: true,
  });
});

test("shutdown ends in time although Langfuse hangs, and the next start delivers", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const buffer = bufferFor(server.url, { directory });
  await server.setFault({ kind: "hang" });
  endSpans(buffer, 50);
  const before = performance.now();
  expect(await buffer.shutdown({ timeoutMs: 1_000 })).toMatchObject({ pending: 50, timedOut: true });
  expect(performance.now() - before).toBeLessThan(2_000);
  expect(buffer.startSpan("late").end()).toBeUndefined();
  expect(buffer.stats().dropped["shut-down"]).toBe(1);
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory });
  expect(await next.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 50 });
  expect(server.account()).toMatchObject({ spans: 50, twice: 0 });
});

test("a directory that cannot be used is said once, and spans are delivered from memory", async () => {
  const server = await standIn();
  const warnings: string[] = [];
  const directory = join(temporaryDirectory(), "file\0name");
  const buffer = bufferFor(server.url, { directory, logger: { warn: (text) => warnings.push(text) } });
  endSpans(buffer, 20);
  expect(await buffer.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 20 });
  expect(warnings.filter((text) => text.includes("cannot be opened")).length).toBe(1);
});

test("enabled: false makes no thread and no file, and every call does nothing", async () => {
  const directory = temporaryDirectory();
  const listeners = process.listenerCount("exit");
  const buffer = new SpanBuffer({ enabled: false, directory });
  const span = buffer.startSpan("nothing", { input: 1 });
  span.startSpan("child").update({ output: 2 }).end();
  span.end();
  expect(buffer.enqueue({ traceId: "", spanId: "", name: "", startTimeUnixNano: 0, endTimeUnixNano: 0 })).toBe(false);
  expect(await buffer.flush()).toMatchObject({ acknowledged: 0, timedOut: false });
  expect(await buffer.authCheck()).toMatchObject({ ok: false, cause: "disabled" });
  expect(buffer.stats()).toMatchObject({ accepted: 0, state: "stopped" });
  await buffer.shutdown();
  expect(readdirSync(directory)).toEqual([]);
  expect(process.listenerCount("exit")).toBe(listeners);
});

function listenerCounts(): number[] {
  return ["exit", "beforeExit", "SIGTERM", "SIGINT", "SIGHUP"].map((name) => process.listenerCount(name));
}

test("buffers leave no listener behind", async () => {
  const before = listenerCounts();
  const buffers = Array.from({ length: 20 }, () => bufferFor("http://127.0.0.1:9"));
  await Promise.all(buffers.map((buffer) => buffer.shutdown({ timeoutMs: 5_000 })));
  expect(listenerCounts()).toEqual(before);
});

test("no secret is in the journal or in a notice", async () => {
  const server = await standIn({ secretKey: "sk-lf-the-right-one" });
  const directory = temporaryDirectory();
  const notices: string[] = [];
  const log = (text: string): void => void notices.push(text);
  const buffer = bufferFor(server.url, { directory, secretKey: "sk-lf-sesame", logger: { warn: log, info: log } });
  endSpans(buffer, 10);
  await until(() => buffer.stats().state === "held");
  const check = await buffer.authCheck();
  await buffer.shutdown({ timeoutMs: 1_000 });
  const files = readdirSync(directory).map((name) => readFileSync(join(directory, name), "latin1"));
  const basic = Buffer.from("pk-lf-stand-in:sk-lf-sesame").toString("base64");
  for (const text of [...files, ...notices, JSON.stringify(check), JSON.stringify(buffer.stats())]) {
    expect(text).not.toContain("sesame");
    expect(text).not.toContain(basic);
  }
  expect(files.join()).toContain("pk-lf-stand-in");
  expect(check).toMatchObject({ ok: false, cause: "unknown-key" });
});
