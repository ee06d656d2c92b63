/** The sink's process and one process for each turn of a subject. Every one is ended by its own id. */
import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import type { TurnJob, TurnResult } from "./subject-process.ts";

/** Longest life of a subject's process; a turn takes about 6 s. */
const turnLimitMs = 90_000;
/** Time to end by itself after its result. */
const endLimitMs = 10_000;

const running = new Set<ChildProcess>();

export interface Sink {
  baseUrl: string;
  stop(): Promise<void>;
}

/** @throws Error when the process ends before it listens. */
export async function startSink(): Promise<Sink> {
  const child = start("sink.ts", [], { env: cleanEnvironment() });
  const { port } = await firstMessage<{ port: number }>(child, "the sink");
  return { baseUrl: `http://127.0.0.1:${port}`, stop: () => end(child) };
}

/** @throws Error when the process fails, or takes longer than `turnLimitMs`. */
export async function runSubjectProcess(job: TurnJob): Promise<TurnResult> {
  const child = start("subject-process.ts", [JSON.stringify(job)], {
    execArgv: ["--expose-gc"],
    // OTel's default queue of 2,048 drops spans flat out, and a span that is dropped costs no export.
    env: { ...cleanEnvironment(), OTEL_BSP_MAX_QUEUE_SIZE: String(job.flatOutSpans) },
  });
  const limit = new AbortController();
  const tooLong = setTimeout(turnLimitMs, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`took longer than ${turnLimitMs / 1000} s`);
  });
  tooLong.catch(() => undefined);
  try {
    const result = await Promise.race([firstMessage<TurnResult>(child, "the subject's process"), tooLong]);
    await waitForExit(child, endLimitMs);
    return result;
  } finally {
    limit.abort();
    await end(child);
  }
}

const settingName = /^(LANGFUSE|ENABLE_TRACING|OTEL|SPAN_BUFFER|NODE_OPTIONS)/;

/** Ends at once what still runs; for the last moment of the runner. */
export function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

function start(file: string, args: readonly string[], options: ForkOptions): ChildProcess {
  const child = fork(new URL(file, import.meta.url), args, options);
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Settings of whoever runs the benchmark must not become settings of its subjects. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !settingName.test(name)));
}

async function firstMessage<Message>(child: ChildProcess, who: string): Promise<Message> {
  return await new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as Message));
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`${who} ended early (${signal ?? `exit code ${code}`})`)));
  });
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function waitForExit(child: ChildProcess, limitMs: number): Promise<void> {
  const limit = new AbortController();
  const exited = isRunning(child) ? once(child, "exit") : Promise.resolve();
  await Promise.race([exited, setTimeout(limitMs, undefined, { signal: limit.signal }).catch(() => undefined)]);
  limit.abort();
}

async function end(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
