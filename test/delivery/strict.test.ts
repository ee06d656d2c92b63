import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const program = fileURLToPath(new URL("../programs/program.ts", import.meta.url));

async function run(...args: string[]): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, [program, ...args], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [, signal] = await once(child, "exit");
  return signal as NodeJS.Signals | null;
}

function crashFiles(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith("crash-"));
}

test("SIGKILL right after end(), before the pump is even up, loses nothing", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  for (let round = 1; round <= 3; round++) {
    expect(await run("kill", server.url, directory, "500", "strict")).toBe("SIGKILL");
  }
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === 1_500);
  await next.flush({ timeoutMs: 20_000 });
  expect(server.account()).toMatchObject({ spans: 1_500, twice: 0 });
  expect(crashFiles(directory)).toEqual([]);
});

test("SIGKILL between commits: what the journal has is not replayed, the rest is", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  for (let round = 1; round <= 3; round++) {
    expect(await run("kill-later", server.url, directory, "300", "strict")).toBe("SIGKILL");
  }
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory, durability: "strict" });
  await until(() => next.stats().recovered === 1_800);
  await next.flush({ timeoutMs: 20_000 });
  expect(server.account()).toMatchObject({ spans: 1_800, twice: 0 });
});

test("a burst far beyond the ring is in the log too, with the numbers it will have", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "down" });
  // 40,000 spans are 8 MB; the smallest ring has two, and the pump has hardly begun.
  expect(await run("kill", server.url, directory, "40000", "strict", "4096")).toBe("SIGKILL");
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().recovered === 40_000);
  await next.flush({ timeoutMs: 25_000 });
  expect(server.account()).toMatchObject({ spans: 40_000, twice: 0 });
}, 60_000);

test("an orderly end leaves no log, whether Langfuse is there or not", async () => {
  const server = await standIn();
  for (const isAway of [false, true]) {
    const directory = temporaryDirectory();
    await server.setFault(isAway ? { kind: "down" } : undefined);
    const buffer = bufferFor(server.url, { directory, durability: "strict" });
    endSpans(buffer, 200);
    await until(() => buffer.stats().journalSpans > 0 || buffer.stats().acknowledged > 0);
    // A segment, its lock, and word of the journal.
    await until(() => crashFiles(directory).length === 3);
    await buffer.shutdown({ timeoutMs: 4_000 });
    expect(crashFiles(directory)).toEqual([]);
    expect(missingFromAccount(buffer.stats())).toBe(0);
  }
});

test("the log may be in a folder of its own", async () => {
  const server = await standIn();
  const [directory, crashLogDirectory] = [temporaryDirectory(), join(temporaryDirectory(), "log")];
  const buffer = bufferFor(server.url, { directory, crashLogDirectory, durability: "strict" });
  endSpans(buffer, 10);
  expect(crashFiles(crashLogDirectory).length).toBeGreaterThan(0);
  await buffer.flush({ timeoutMs: 10_000 });
  expect(crashFiles(directory)).toEqual([]);
  expect(server.account()).toMatchObject({ spans: 10, twice: 0 });
});

test("a log that cannot be written leaves a buffer as with durability journal, and a warning", async () => {
  const server = await standIn();
  const warnings: string[] = [];
  const buffer = bufferFor(server.url, {
    durability: "strict",
    crashLogDirectory: "/dev/null/log",
    logger: { warn: (message) => warnings.push(message) },
  });
  endSpans(buffer, 100);
  await buffer.flush({ timeoutMs: 10_000 });
  expect(server.account()).toMatchObject({ spans: 100, twice: 0 });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("the crash log in /dev/null/log cannot be written");
});

test("spans that no disk has but the log's stay in the log, also when the process ends in order", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = join(temporaryDirectory(), "state");
  const crashLogDirectory = temporaryDirectory();
  writeFileSync(directory, "in the way");
  const buffer = bufferFor(server.url, { directory, crashLogDirectory, durability: "strict" });
  const ids: string[] = [];
  // Several segments of 4 MiB, all of which the pump has taken: into a journal in memory.
  for (let round = 0; round < 30; round++) {
    ids.push(...endSpans(buffer, 500, "x".repeat(1_500)));
    await until(() => buffer.stats().journalSpans === ids.length);
  }
  await buffer.shutdown({ timeoutMs: 500 });
  expect(crashFiles(crashLogDirectory).filter((name) => name.endsWith(".log")).length).toBeGreaterThan(4);
  rmSync(directory);
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory, crashLogDirectory, durability: "strict" });
  await until(() => next.stats().recovered === ids.length);
  await next.flush({ timeoutMs: 20_000 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
  await next.shutdown({ timeoutMs: 2_000 });
  expect(crashFiles(crashLogDirectory)).toEqual([]);
});
