import { expect, onTestFinished, test } from "vitest";
import { ExportPool, type ExportPoolOptions } from "../../src/workers/export-pool.ts";
import type { AuthCheckTask, ExportReport, ExportTask } from "../../src/workers/messages.ts";

const taskUrl = new URL("../programs/odd-tasks.ts", import.meta.url).href;

function poolOf(options: Partial<ExportPoolOptions> = {}): ExportPool {
  const pool = new ExportPool({ taskUrl, threads: 1, concurrency: 4, ...options });
  onTestFinished(() => pool.destroy());
  return pool;
}

function send(pool: ExportPool, way: string): Promise<ExportReport> {
  const payloads = new Uint8Array(Buffer.from(way));
  // Its eightfold and 5 s more are the patience with a task.
  return pool.send({ payloads, lengths: [payloads.length], timeoutMs: 10 } as unknown as ExportTask);
}

test.each([
  ["loops for ever", "loop"],
  ["never answers", "never"],
  ["ends its thread", "x"],
  ["throws outside of the task", "throw"],
])("a task that %s is an outage of that batch; the next one gets a thread that works", async (_name, way) => {
  const pool = poolOf();
  const report = await send(pool, way);
  // What is thrown outside may come after the task's own answer.
  expect(["retry", "acknowledged"]).toContain(report.verdict);
  if (way !== "throw")
    expect(report).toMatchObject({ verdict: "retry", reason: expect.stringContaining("export thread") });
  expect(await send(pool, "good")).toMatchObject({ verdict: "acknowledged" });
});

test("a check of the keys that never comes back is answered all the same", async () => {
  const pool = poolOf();
  const result = await pool.checkAuth({ timeoutMs: 10 } as unknown as AuthCheckTask);
  expect(result).toMatchObject({ ok: false, cause: "server-error" });
});

test("a thread that grows is replaced; what it has under way comes to its end", async () => {
  const pool = poolOf({ maxThreadBytes: 2_500_000 });
  const reports = await Promise.all(["m", "m", "m", "m"].map((way) => send(pool, way)));
  expect(reports.map(({ verdict }) => verdict)).toEqual(Array(4).fill("acknowledged"));
  expect(Math.max(...reports.map(({ memoryBytes = 0 }) => memoryBytes))).toBe(4_000_000);
  expect(await send(pool, "good")).toMatchObject({ verdict: "acknowledged", memoryBytes: 0 });
});

test("what a thread makes and drops does not take memory without end", async () => {
  const { memoryBytes } = await send(poolOf(), "young generation");
  expect(memoryBytes).toBeLessThanOrEqual(32 * 1024 ** 2);
});

test("tasks that cannot be loaded are tried again with the next batch", async () => {
  const pool = poolOf({ taskUrl: "file:///nowhere/task.js" });
  expect(await send(pool, "good")).toMatchObject({ verdict: "retry" });
  expect(await send(pool, "good")).toMatchObject({ verdict: "retry" });
});
