import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { expect, onTestFinished, test, vi } from "vitest";
import { startAttachedBot } from "../support/attached-bots.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { startProgram } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

vi.mock("../../src/thread-files.ts", async (importOriginal) => ({
  ...(await importOriginal<typeof import("../../src/thread-files.ts")>()),
  pumpUrl: new URL("../programs/crashing-pump.ts", import.meta.url),
}));

/** The next pumps crash in that way, before or after that commit, so many times in all. */
function crashPumps(way: string, commit: number, times: number): { crashes: () => number; setting: string } {
  const file = join(temporaryDirectory(), "crashes");
  writeFileSync(file, "");
  const setting = `${way}:${commit}:${times}:${file}`;
  process.env["PUMP_CRASH"] = setting;
  onTestFinished(() => void delete process.env["PUMP_CRASH"]);
  return { crashes: () => readFileSync(file).length, setting };
}

test.each([
  ["throw", "journal"],
  ["exit", "journal"],
  ["exit-after", "journal"],
  ["exit-after", "strict"],
] as const)(
  "a pump that crashes (%s, durability %s) is followed by one that has all rings: every span once, none lost",
  async (way, durability) => {
    const server = await standIn();
    // Away, so that nothing is sent twice for want of an acknowledgement.
    await server.setFault({ kind: "down" });
    const { crashes } = crashPumps(way, 12, 2);
    const buffer = bufferFor(server.url, { durability });
    const gaps: number[] = [];
    const timer = setInterval(() => gaps.push(missingFromAccount(buffer.stats())), 3);
    onTestFinished(() => clearInterval(timer));
    const bots = [1, 2, 3].map(() => startAttachedBot(buffer, "slowly", 100));
    let own = 0;
    while (crashes() < 2) {
      own += endSpans(buffer, 5).length;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.all(bots.map(({ gone }) => gone));
    await server.setFault(undefined);
    const expected = { acknowledged: own + 6_000, pending: 0, dropped: 0, timedOut: false };
    expect(await buffer.flush({ timeoutMs: 30_000 })).toMatchObject(expected);
    expect(server.account()).toMatchObject({ spans: own + 6_000, twice: 0 });
    expect(gaps.length).toBeGreaterThan(20);
    expect(gaps.filter((gap) => gap !== 0)).toEqual([]);
  },
  60_000,
);

test("threads that are terminated while there is no pump lose nothing that was in their rings", async () => {
  const server = await standIn();
  const { crashes } = crashPumps("exit", 1, 1);
  const buffer = bufferFor(server.url);
  const bots = [1, 2].map(() => startAttachedBot(buffer, "burst-forever", 200));
  await until(() => crashes() === 1 && bots.every(({ ended }) => ended() === 200));
  await Promise.all(bots.map(({ worker }) => worker.terminate()));
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 400, pending: 0, dropped: 0 });
  expect(server.account()).toMatchObject({ spans: 400, twice: 0 });
});

async function storedAfterRestart(server: Awaited<ReturnType<typeof standIn>>, directory: string) {
  delete process.env["PUMP_CRASH"];
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory });
  await next.flush({ timeoutMs: 20_000 });
  await next.shutdown({ timeoutMs: 5_000 });
  const { spans, twice } = server.account();
  return { spans, twice };
}

test.each([
  ["process.exit()", "exit", { code: 0, signal: null }],
  ["an uncaught exception", "throw", { code: 1, signal: null }],
])("%s keeps what a thread handed over that the main thread has not even heard of", async (_name, way, end) => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const { ended } = startProgram("attached-program.ts", [way, server.url, directory, "2000"]);
  expect(await ended).toMatchObject(end);
  expect(await storedAfterRestart(server, directory)).toEqual({ spans: 2_000, twice: 0 });
});

test("process.exit() with a pump that crashes at every start: the rings of threads are in the spill file", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const { setting } = crashPumps("start", 0, 100);
  const preload = new URL("../programs/with-crashing-pump.ts", import.meta.url).href;
  const { ended } = startProgram("attached-program.ts", ["exit", server.url, directory, "2000"], {
    nodeOptions: [`--import=${preload}`],
    env: { PUMP_CRASH: setting },
  });
  expect(await ended).toMatchObject({ code: 0 });
  expect(await storedAfterRestart(server, directory)).toEqual({ spans: 2_000, twice: 0 });
});

test("a program that returns when its thread has ended delivers that thread's spans, and ends by itself", async () => {
  const server = await standIn();
  const { ended } = startProgram("attached-program.ts", ["return", server.url, temporaryDirectory(), "500"]);
  expect(await ended).toEqual({ code: 0, signal: null, stdout: "", stderr: "" });
  expect(server.account()).toMatchObject({ spans: 500, twice: 0 });
});

test("durability strict: SIGKILL loses no span of a thread whose end() has returned", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  for (let round = 0; round < 2; round++) {
    const { ended } = startProgram("attached-program.ts", ["kill", server.url, directory, "1500", "strict"]);
    expect(await ended).toMatchObject({ signal: "SIGKILL" });
  }
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory, durability: "strict" });
  await until(() => next.stats().recovered === 3_000);
  await next.flush({ timeoutMs: 20_000 });
  expect(server.account()).toMatchObject({ spans: 3_000, twice: 0 });
});
