import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { expect, onTestFinished, test, vi } from "vitest";
import type { SpanBuffer, SpanBufferOptions } from "../../src/index.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

vi.mock("../../src/thread-files.ts", async (importOriginal) => ({
  ...(await importOriginal<typeof import("../../src/thread-files.ts")>()),
  pumpUrl: new URL("../programs/crashing-pump.ts", import.meta.url),
}));
vi.mock("../../src/workers/pump-handle.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/workers/pump-handle.ts")>();
  class ImpatientHandle extends original.PumpHandle {
    constructor(options: ConstructorParameters<typeof original.PumpHandle>[0]) {
      super({ ...options, hangLimitMs: 1_000 });
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
  const warnings: string[] = [];
  const logger = { warn: (message: string): void => void warnings.push(message) };
  const buffer = bufferFor(url, { logger, ...options });
  return { buffer, warnings, crashes: () => readFileSync(file).length };
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
  ["exit", "journal"],
  ["exit-after", "journal"],
  ["hang", "journal"],
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
    lastError: expect.stringContaining("on purpose"),
  });
  expect(await buffer.flush({ timeoutMs: 100 })).toMatchObject({ timedOut: true, pending: 800 });
  await buffer.shutdown({ timeoutMs: 500 });
  delete process.env["PUMP_CRASH"];
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === 800);
  await next.flush({ timeoutMs: 10_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set([...ids, ...later.ids]));
  expect(server.account().twice).toBe(0);
});

test("authCheck answers although there is no pump", async () => {
  const server = await standIn();
  const { buffer } = crashingBuffer("start", 0, 100, server.url, { exportTimeoutMs: 100 });
  const result = await buffer.authCheck();
  expect(result).toMatchObject({ ok: false, cause: "server-error" });
  expect(result.reason).toContain("the buffer's thread does not answer");
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
