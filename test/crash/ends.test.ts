import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import { bufferFor, standIn, until } from "../support/buffers.ts";
import { startProgram } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Runs `program.ts` with a pump that crashes in that way. */
function startCrashing(crash: string, args: readonly string[]) {
  const file = join(temporaryDirectory(), "crashes");
  writeFileSync(file, "");
  const preload = new URL("../programs/with-crashing-pump.ts", import.meta.url).href;
  return startProgram("program.ts", args, {
    nodeOptions: [`--import=${preload}`],
    env: { PUMP_CRASH: `${crash}:${file}` },
  });
}

async function storedAfterRestart(server: Awaited<ReturnType<typeof standIn>>, directory: string) {
  await server.setFault(undefined);
  // Each process has left a journal of its own, and a buffer takes one.
  for (let restart = 0; restart < 4; restart++) {
    const next = bufferFor(server.url, { directory });
    await next.flush({ timeoutMs: 15_000 });
  }
  const { spans, twice } = server.account();
  return { spans, twice };
}

test.each([
  ["hangs", "hang:3:1"],
  ["crashes", "exit:3:1"],
  ["crashes at every start", "start:0:100"],
])("process.exit() while the pump %s keeps every span", async (_name, crash) => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const { ended } = startCrashing(crash, ["exit-later", server.url, directory, "3000"]);
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
  expect(await storedAfterRestart(server, directory)).toEqual({ spans: 3_000, twice: 0 });
});

test("a program that just returns ends by itself although the pump crashes at every start", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const { ended } = startCrashing("start:0:100", ["return", server.url, directory, "100"]);
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
  expect(await storedAfterRestart(server, directory)).toEqual({ spans: 100, twice: 0 });
});

test("SIGTERM while the pump hangs ends the process by that signal, and keeps every span", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const { child, ended } = startCrashing("hang:3:1", ["signal", server.url, directory, "3000"]);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  await new Promise((resolve) => setTimeout(resolve, 500));
  child.kill("SIGTERM");
  expect(await ended).toMatchObject({ code: null, signal: "SIGTERM" });
  expect(await storedAfterRestart(server, directory)).toEqual({ spans: 3_000, twice: 0 });
});

test("authCheck() answers in a program that does nothing else, although there is no pump", async () => {
  const server = await standIn();
  const { ended } = startCrashing("start:0:100", ["auth-check", server.url, temporaryDirectory(), "0"]);
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, cause: "server-error" });
  expect(stdout).toContain("the buffer's thread does not answer: the pump thread ended");
});

test("two copies of the package in one process: SIGTERM ends it, and both keep their spans", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  const { child, ended } = startProgram("two-copies.ts", [server.url, directory, "250"]);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  child.kill("SIGTERM");
  expect(await ended).toMatchObject({ code: null, signal: "SIGTERM", stdout: "1\n", stderr: "" });
  expect(await storedAfterRestart(server, directory)).toEqual({ spans: 500, twice: 0 });
});

test("a worker thread that is terminated takes its buffer along: what was committed is delivered later", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const workerData = { baseUrl: server.url, publicKey: "pk-lf-stand-in", secretKey: "sk-lf-stand-in", directory };
  for (const durationMs of [300, 500, 700]) {
    const worker = new Worker(new URL("../programs/worker-bot.ts", import.meta.url), { workerData, execArgv: [] });
    onTestFinished(() => void worker.terminate());
    const counts: { count: number; atMs: number }[] = [];
    worker.on("message", (count: number) => counts.push({ count, atMs: performance.now() }));
    await once(worker, "message");
    // Until the pump is up: before, nothing can be committed.
    await new Promise((resolve) => setTimeout(resolve, 1_000 + durationMs));
    const endedAtMs = performance.now();
    await worker.terminate();
    const last = counts.at(-1)?.count ?? 0;
    const old = counts.findLast(({ atMs }) => atMs < endedAtMs - 250)?.count ?? 0;
    expect(old).toBeGreaterThan(1_000);
    const next = bufferFor(server.url, { directory });
    await until(() => next.stats().recovered > 0);
    const { recovered } = next.stats();
    expect(recovered).toBeGreaterThanOrEqual(old);
    expect(recovered).toBeLessThanOrEqual(last + 20);
    await server.setFault(undefined);
    const before = server.account().spans;
    expect(await next.shutdown({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: recovered, pending: 0 });
    expect(server.account()).toMatchObject({ spans: before + recovered, twice: 0 });
    await server.setFault({ kind: "down" });
  }
});

test("a cluster: each process has a buffer of its own, however it ends", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const { ended } = startProgram("cluster-bot.ts", [server.url, directory]);
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.trim().split("\n").sort()).toEqual(["0", "0", "SIGTERM"]);
  expect(await storedAfterRestart(server, directory)).toEqual({ spans: 400, twice: 0 });
});
