import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { SpanBuffer, SpanBufferOptions } from "../../src/index.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import type { PumpLimits } from "../../src/workers/pump-handle.ts";

const limits: Partial<PumpLimits> = vi.hoisted(() => ({}));
beforeEach(() => {
  Object.assign(limits, { hangMs: 1_000, terminationMs: 1_000, retryMs: 60_000 });
});

vi.mock("../../src/thread-files.ts", async (importOriginal) => ({
  ...(await importOriginal<typeof import("../../src/thread-files.ts")>()),
  pumpUrl: new URL("../programs/crashing-pump.ts", import.meta.url),
}));
vi.mock("../../src/workers/pump-handle.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/workers/pump-handle.ts")>();
  class ImpatientHandle extends original.PumpHandle {
    constructor(options: ConstructorParameters<typeof original.PumpHandle>[0]) {
      super({ ...options, limits });
    }
  }
  return { PumpHandle: ImpatientHandle };
});

/** A buffer whose pump crashes in that way, before or after that commit, so many times in all. */
function crashingBuffer(way: string, commit: number, times: number, url: string, options: SpanBufferOptions = {}) {
  const file = join(temporaryDirectory(), "crashes");
  writeFileSync(file, "");
  process.env["PUMP_CRASH"] = `${way}:${commit}:${times}:${file}`;
  onTestFinished(() => void delete process.env["PUMP_CRASH"]);
  return { ...loggingBuffer(url, options), crashes: () => readFileSync(file).length, pipe: `${file}.pipe` };
}

function loggingBuffer(url: string, options: SpanBufferOptions = {}) {
  const warnings: string[] = [];
  const logger = { warn: (message: string): void => void warnings.push(message) };
  return { buffer: bufferFor(url, { logger, ...options }), warnings };
}

async function endSpansSlowly(buffer: SpanBuffer, rounds: number): Promise<{ ids: string[]; gaps: number[] }> {
  const ids: string[] = [];
  const gaps: number[] = [];
  for (let round = 0; round < rounds; round++) {
    ids.push(...endSpans(buffer, 20));
    gaps.push(missingFromAccount(buffer.stats()));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { ids, gaps };
}

test.each([
  ["throw", "journal"],
  ["throw-nothing", "journal"],
  ["exit", "journal"],
  ["exit-after", "journal"],
  ["hang", "journal"],
  ["hang-after", "journal"],
  ["exit-after", "strict"],
] as const)(
  "a pump that crashes (%s, durability %s) goes on where it was: every span stored",
  async (way, durability) => {
    const server = await standIn();
    const { buffer, warnings, crashes } = crashingBuffer(way, 15, 1, server.url, { durability });
    const { ids, gaps } = await endSpansSlowly(buffer, 150);
    await until(() => crashes() === 1);
    const more = await endSpansSlowly(buffer, 50);
    const result = await buffer.flush({ timeoutMs: 25_000 });
    expect(result).toMatchObject({ pending: 0, dropped: 0, timedOut: false });
    expect(new Set(Object.keys(server.ids()))).toEqual(new Set([...ids, ...more.ids]));
    // Twice at most what was under way.
    expect(server.account().twice).toBeLessThanOrEqual(400);
    expect([...gaps, ...more.gaps, missingFromAccount(buffer.stats())].filter((gap) => gap !== 0)).toEqual([]);
    expect(warnings.filter((text) => text.includes("the pump thread ended"))).toHaveLength(1);
  },
);

test("with Langfuse away nothing is sent, and a crash makes nothing come twice", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const { buffer, crashes } = crashingBuffer("exit-after", 10, 2, server.url);
  const { ids } = await endSpansSlowly(buffer, 200);
  await until(() => crashes() === 2);
  await server.setFault(undefined);
  expect(await buffer.flush({ timeoutMs: 25_000 })).toMatchObject({ acknowledged: ids.length, pending: 0, dropped: 0 });
  expect(server.account()).toMatchObject({ spans: ids.length, twice: 0 });
});

test("after the third crash in a minute spans are kept in memory, said once; the end of the process loses none", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const { buffer, warnings, crashes } = crashingBuffer("start", 0, 100, server.url, { directory });
  const { ids } = await endSpansSlowly(buffer, 20);
  await until(() => crashes() === 3 && warnings.some((text) => text.includes("third time in a minute")));
  const later = await endSpansSlowly(buffer, 20);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(crashes()).toBe(3);
  expect(warnings).toHaveLength(3);
  expect(buffer.stats()).toMatchObject({
    accepted: 800,
    pending: 800,
    state: "backing-off",
    lastError: expect.stringContaining("on purpose"),
  });
  expect(await buffer.flush({ timeoutMs: 100 })).toMatchObject({ timedOut: true, pending: 800 });
  // There is nothing to wait for.
  const timeoutMs = 20_000;
  const startMs = performance.now();
  await buffer.shutdown({ timeoutMs });
  expect(performance.now() - startMs).toBeLessThan(timeoutMs / 4);
  expect(buffer.stats().state).toBe("stopped");
  delete process.env["PUMP_CRASH"];
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === 800);
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set([...ids, ...later.ids]));
  expect(server.account().twice).toBe(0);
});

test("a crash before the pump has counted anything: what it found in the journal is counted once", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  const before = bufferFor(server.url, { directory });
  const ids = endSpans(before, 100);
  await before.shutdown({ timeoutMs: 3_000 });
  // The first commit opens the journal, the second is the last before the first figures.
  const { buffer, crashes } = crashingBuffer("exit", 2, 1, server.url, { directory });
  ids.push(...endSpans(buffer, 50));
  await until(() => crashes() === 1 && buffer.stats().recovered > 0);
  expect(buffer.stats()).toMatchObject({ accepted: 150, recovered: 100, acknowledged: 0, pending: 150 });
  await server.setFault(undefined);
  expect(await buffer.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 150, pending: 0, dropped: 0 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
});

test("a crash that takes a part of the journal along: what is gone counts as dropped, not as delivered", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const { buffer, crashes, warnings } = crashingBuffer("exit-damage", 30, 1, server.url);
  const { ids, gaps } = await endSpansSlowly(buffer, 150);
  await until(() => crashes() === 1 && buffer.stats().dropped.damaged > 0);
  await server.setFault(undefined);
  const { acknowledged } = await buffer.flush({ timeoutMs: 20_000 });
  const { damaged } = buffer.stats().dropped;
  expect(acknowledged + damaged).toBe(ids.length);
  expect(warnings.some((text) => text.includes(`${damaged} spans are no longer in the journal`))).toBe(true);
  expect(server.account()).toMatchObject({ spans: acknowledged, twice: 0 });
  expect([...gaps, missingFromAccount(buffer.stats())].filter((gap) => gap !== 0)).toEqual([]);
});

test("outcomes that a crash kept from being counted are counted as what they were", async () => {
  const server = await standIn();
  const { buffer, crashes } = crashingBuffer("exit-buried", 2, 2, server.url, { batchSize: 10 });
  let poison = 0;
  for (let round = 0; round < 100; round++) {
    endSpans(buffer, 10);
    if (round % 5 === 0) {
      buffer.startSpan("poison", { attributes: { "stand-in.poison": true } }).end();
      poison++;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => crashes() === 2);
  const result = await buffer.flush({ timeoutMs: 20_000 });
  expect(result).toMatchObject({ acknowledged: 1_000, deadLettered: poison, dropped: 0, pending: 0 });
});

test("a pump that was given up is tried again, and says so when it runs", async () => {
  limits.retryMs = 500;
  const server = await standIn();
  const { buffer, warnings, crashes } = crashingBuffer("start", 0, 4, server.url);
  const { ids } = await endSpansSlowly(buffer, 20);
  await until(() => crashes() === 4);
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: ids.length, pending: 0 });
  await until(() => warnings.some((text) => text.includes("runs again")));
  expect(warnings).toHaveLength(4);
  expect(buffer.stats()).not.toHaveProperty("lastError");
  expect(buffer.stats().state).toBe("sending");
  expect(server.account()).toMatchObject({ spans: ids.length, twice: 0 });
});

test("what is wrong now is not covered by a crash that is over", async () => {
  const server = await standIn();
  const { buffer, crashes } = crashingBuffer("exit", 5, 1, server.url);
  await endSpansSlowly(buffer, 20);
  await until(() => crashes() === 1);
  await server.setFault({ kind: "down" });
  endSpans(buffer, 20);
  await until(() => buffer.stats().lastError?.includes("the pump thread ended") === false);
  expect(buffer.stats()).toMatchObject({ state: "backing-off" });
});

test("a pump that is stuck in the system is replaced, on another journal; its own is delivered later", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  const { buffer, warnings, crashes, pipe } = crashingBuffer("stuck", 15, 1, server.url, { directory });
  execFileSync("mkfifo", [pipe]);
  const { ids, gaps } = await endSpansSlowly(buffer, 150);
  await until(() => crashes() === 1 && buffer.stats().dropped.damaged > 0);
  const { damaged } = buffer.stats().dropped;
  expect(damaged).toBeLessThan(ids.length);
  expect(warnings.filter((text) => text.includes(`${damaged} spans are in the journal of the pump`))).toHaveLength(1);
  const more = await endSpansSlowly(buffer, 50);
  await server.setFault(undefined);
  const count = ids.length + more.ids.length;
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: count - damaged, pending: 0 });
  expect([...gaps, ...more.gaps, missingFromAccount(buffer.stats())].filter((gap) => gap !== 0)).toEqual([]);
  // Let go of it, and of its journal's lock.
  closeSync(openSync(pipe, constants.O_WRONLY));
  await buffer.shutdown({ timeoutMs: 5_000 });
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === damaged);
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set([...ids, ...more.ids]));
  expect(server.account().twice).toBe(0);
});

test("durability overflow: a crash costs what was in the pump's memory, counted and said", async () => {
  const server = await standIn();
  // The first commits make the journal; from then on the disk is needed only when Langfuse is away.
  const { buffer, warnings, crashes } = crashingBuffer("exit", 12, 1, server.url, {
    durability: "overflow",
    flushInterval: 60,
    batchSize: 1_000,
  });
  const { ids, gaps } = await endSpansSlowly(buffer, 150);
  await until(() => crashes() === 1);
  const more = await endSpansSlowly(buffer, 10);
  await buffer.flush({ timeoutMs: 20_000 });
  const { dropped, acknowledged } = buffer.stats();
  expect(dropped.damaged).toBeGreaterThan(0);
  expect(warnings.filter((text) => text.includes(`${dropped.damaged} spans were in the memory`))).toHaveLength(1);
  expect(acknowledged + dropped.damaged).toBe(ids.length + more.ids.length);
  expect(server.account()).toMatchObject({ spans: acknowledged, twice: 0 });
  expect([...gaps, ...more.gaps, missingFromAccount(buffer.stats())].filter((gap) => gap !== 0)).toEqual([]);
});

test.each(["hang", "hang-after"])(
  "shutdown() ends in time while the pump hangs (%s), and loses nothing",
  async (way) => {
    limits.hangMs = 60_000;
    const server = await standIn();
    const directory = temporaryDirectory();
    await server.setFault({ kind: "down" });
    const { buffer, crashes } = crashingBuffer(way, 15, 1, server.url, { directory });
    const { ids } = await endSpansSlowly(buffer, 50);
    await until(() => crashes() === 1);
    const more = endSpans(buffer, 100);
    const timeoutMs = 2_000;
    const startMs = performance.now();
    expect(await buffer.shutdown({ timeoutMs })).toMatchObject({ timedOut: true, pending: ids.length + more.length });
    // The last commit's grace, and some for a busy machine.
    expect(performance.now() - startMs).toBeLessThan(timeoutMs + 1_000);
    delete process.env["PUMP_CRASH"];
    await server.setFault(undefined);
    const next = bufferFor(server.url, { directory });
    await until(() => next.stats().recovered >= ids.length + more.length);
    await next.flush({ timeoutMs: 10_000 });
    expect(new Set(Object.keys(server.ids()))).toEqual(new Set([...ids, ...more]));
    // In the middle of a commit nobody can say whether it went through: better twice than never.
    if (way === "hang") expect(server.account().twice).toBe(0);
    else expect(server.account().twice).toBeLessThanOrEqual(100);
  },
);

test("a commit that takes its time is no reason to replace the pump", async () => {
  limits.hangMs = 2_500;
  const server = await standIn();
  const { buffer, warnings, crashes } = crashingBuffer("slow", 15, 1, server.url);
  const { ids } = await endSpansSlowly(buffer, 150);
  await until(() => crashes() === 1);
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: ids.length, pending: 0 });
  expect(warnings).toEqual([]);
});

test("a pump that is only kept waiting is not replaced", async () => {
  const server = await standIn();
  const { buffer, warnings } = crashingBuffer("", 0, 0, server.url);
  endSpans(buffer, 100);
  await buffer.flush({ timeoutMs: 10_000 });
  // The caller's own pause, and then a long rest.
  const endMs = performance.now() + 1_500;
  while (performance.now() < endMs);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  endSpans(buffer, 100);
  expect(await buffer.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 200 });
  expect(warnings).toEqual([]);
});
