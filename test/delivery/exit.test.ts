import { once } from "node:events";
import { expect, test } from "vitest";
import { bufferFor, standIn, until } from "../support/buffers.ts";
import { startProgram } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

function start(...args: string[]): ReturnType<typeof startProgram> {
  return startProgram("program.ts", args);
}

/** Delivers what the directory holds, and says how many spans the server has then and how many came twice. */
async function storedAfterRestart(url: string, directory: string, server: Awaited<ReturnType<typeof standIn>>) {
  const next = bufferFor(url, { directory });
  await next.flush({ timeoutMs: 15_000 });
  const { spans, twice } = server.account();
  return { spans, twice };
}

test("a program that just returns delivers its span and ends by itself", async () => {
  const server = await standIn();
  const { ended } = start("return-patiently", server.url, temporaryDirectory());
  expect(await ended).toEqual({ code: 0, signal: null, stdout: "", stderr: "" });
  expect(server.account()).toMatchObject({ spans: 1, twice: 0 });
});

test("a program that just returns ends by itself although Langfuse is away, with its span in the journal", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  const { ended } = start("return", server.url, directory);
  expect(await ended).toEqual({ code: 0, signal: null, stdout: "", stderr: "" });
  await server.setFault(undefined);
  expect(await storedAfterRestart(server.url, directory, server)).toEqual({ spans: 1, twice: 0 });
});

test("a program that just returns ends by itself although Langfuse hangs", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "hang" });
  const { ended } = start("return", server.url, directory);
  expect(await ended).toMatchObject({ code: 0 });
  await server.setFault(undefined);
  expect(await storedAfterRestart(server.url, directory, server)).toEqual({ spans: 1, twice: 0 });
});

test.each([
  ["exit", "journal", 0],
  ["exit", "overflow", 0],
  ["throw", "journal", 1],
  ["reject", "journal", 1],
])("%s right after end() with durability %s keeps every span", async (way, durability, code) => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const { ended } = start(way, server.url, directory, "500", durability);
  const result = await ended;
  expect(result.code).toBe(code);
  if (way !== "exit") expect(result.stderr).toContain("on purpose");
  expect(await storedAfterRestart(server.url, directory, server)).toEqual({ spans: 500, twice: 0 });
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
  "%s keeps every span and still ends the process by that signal",
  async (signal) => {
    const server = await standIn();
    const directory = temporaryDirectory();
    const { child, ended } = start("signal", server.url, directory, "500");
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill(signal);
    expect(await ended).toMatchObject({ code: null, signal });
    expect(await storedAfterRestart(server.url, directory, server)).toEqual({ spans: 500, twice: 0 });
  },
);

test("a host with its own SIGTERM handler decides itself how it ends", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const { child, ended } = start("own-handler", server.url, directory, "10");
  await once(child.stdout as NodeJS.ReadableStream, "data");
  child.kill("SIGTERM");
  expect(await ended).toMatchObject({ code: 3 });
  expect(await storedAfterRestart(server.url, directory, server)).toEqual({ spans: 11, twice: 0 });
});

test("SIGKILL a moment after the spans ended: the next start delivers what was committed, none twice", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  const { child, ended } = start("signal", server.url, directory, "500");
  await once(child.stdout as NodeJS.ReadableStream, "data");
  await new Promise((resolve) => setTimeout(resolve, 500));
  child.kill("SIGKILL");
  expect(await ended).toMatchObject({ signal: "SIGKILL" });
  await server.setFault(undefined);
  expect(await storedAfterRestart(server.url, directory, server)).toEqual({ spans: 500, twice: 0 });
});

test("overflow: what is in memory when the process exits goes to the journal", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const { ended } = start("exit-later", server.url, directory, "300", "overflow");
  expect(await ended).toMatchObject({ code: 0 });
  expect(server.account().spans).toBe(0);
  expect(await storedAfterRestart(server.url, directory, server)).toEqual({ spans: 300, twice: 0 });
});

test("a request that is under way when the process exits is waited for, so that nothing is sent twice", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "slow", delayMs: 400, times: 1 });
  const { child, ended } = start("exit-under-way", server.url, directory, "100");
  // Handled, and the answer still to come.
  await until(() => server.account().spans === 100);
  child.stdin?.end();
  expect(await ended).toMatchObject({ code: 0 });
  expect(await storedAfterRestart(server.url, directory, server)).toEqual({ spans: 100, twice: 0 });
});
