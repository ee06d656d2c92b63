/** Servers that the benchmark starts and ends, each by its own id. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { cleanEnvironment, end, isRunning, keep } from "../processes.ts";

const readyLimitMs = 20_000;
const lookEveryMs = 50;
/** Of what a process that ended early had said. */
const keptLines = 5;

export interface ServerProcess {
  child: ChildProcess;
  pid: number;
  /** `http://127.0.0.1:PORT`. */
  url: string;
}

/** Starts a program of ours, which says `listening on URL` on stdout. @throws Error when it does not. */
export async function startNode(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ServerProcess> {
  const child = start(process.execPath, args, env);
  const said = collectStderr(child);
  const listening = (async () => {
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      const url = /^listening on (http:\S+)/.exec(line)?.[1];
      if (url !== undefined) return url;
    }
    return undefined;
  })();
  const url = await Promise.race([listening, setTimeout(readyLimitMs, undefined, { ref: false })]);
  if (url === undefined) await giveUp(child, said);
  child.stdout?.resume();
  return { child, pid: child.pid as number, url: url as string };
}

/** Starts a server that listens on the port it is told, and waits until it does. @throws Error when it does not. */
export async function startOnPort(command: string, args: readonly string[], port: number): Promise<ServerProcess> {
  const child = start(command, args, {});
  const said = collectStderr(child);
  child.stdout?.resume();
  const url = `http://127.0.0.1:${port}`;
  const deadlineMs = performance.now() + readyLimitMs;
  while (!(await isAnswering(url))) {
    if (!isRunning(child) || performance.now() > deadlineMs) await giveUp(child, said);
    await setTimeout(lookEveryMs);
  }
  return { child, pid: child.pid as number, url };
}

/** A port that was free a moment ago, for programs that do not say which they took. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function start(command: string, args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  return keep(spawn(command, args, { env: { ...cleanEnvironment(), ...env }, stdio: ["ignore", "pipe", "pipe"] }));
}

function collectStderr(child: ChildProcess): string[] {
  const lines: string[] = [];
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
    lines.push(line);
    if (lines.length > keptLines) lines.shift();
  });
  return lines;
}

async function giveUp(child: ChildProcess, said: readonly string[]): Promise<never> {
  await end(child);
  throw new Error(`it does not listen${said.length === 0 ? "" : `; it said: ${said.join(" / ")}`}`);
}

async function isAnswering(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
