import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

interface StartOptions {
  /** Of Node's, before the program. */
  nodeOptions?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

/** Runs a program of test/programs in a process of its own, which ends with the test at the latest. */
export function startProgram(
  name: string,
  args: readonly string[],
  { nodeOptions = [], env = {} }: StartOptions = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const program = fileURLToPath(new URL(`../programs/${name}`, import.meta.url));
  const child = spawn(process.execPath, [...nodeOptions, program, ...args], {
    stdio: "pipe",
    env: { ...process.env, ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.on("data", (chunk: Buffer) => {
      output[name] += chunk.toString();
    });
  }
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    ...output,
  }));
  return { child, ended };
}
