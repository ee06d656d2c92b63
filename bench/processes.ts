/** The processes that a run starts. Every one is ended by its own id. */
import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import type { Job, JobOutcome, ProcessMessage } from "./job.ts";

/** Longest life of a subject's process. */
const jobLimitMs = 150_000;
const readyLimitMs = 20_000;
/** Time to end by itself after its result. */
const endLimitMs = 5_000;

const running = new Set<ChildProcess>();

export interface JobSettings {
  env?: Readonly<Record<string, string>>;
  /** End the process as soon as it has its result: what it does afterwards is of no interest. */
  isKilled?: boolean;
}

/** @throws Error when the process fails or takes too long. */
export async function runJob(job: Job, settings: JobSettings = {}): Promise<JobOutcome> {
  const child = startJob(job, settings);
  try {
    const outcome = await outcomeOf(child);
    if (settings.isKilled !== true) await waitForExit(child, endLimitMs);
    return outcome;
  } finally {
    await end(child);
  }
}

/** For runners that do something while the process runs. Give it to `outcomeOf` at once, and to `end` at last. */
export function startJob(job: Job, { env }: JobSettings = {}): ChildProcess {
  return start("subject-process.ts", [JSON.stringify(job)], {
    execArgv: ["--expose-gc"],
    env: { ...cleanEnvironment(), ...env },
  });
}

/** @throws Error when the process ends without a result or takes too long. */
export async function outcomeOf(child: ChildProcess): Promise<JobOutcome> {
  return await message<JobOutcome>(child, ({ type }) => type !== "ready", jobLimitMs);
}

/** Resolves when the process says that it makes spans, or with the reason why it never will. */
export async function readinessOf(child: ChildProcess): Promise<ProcessMessage> {
  return await message<ProcessMessage>(child, () => true, readyLimitMs);
}

/** @throws Error when the process ends before it has an answer, or another than 0. */
export async function exitOf(child: ChildProcess): Promise<void> {
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`the subject's process ended early (${signal ?? `exit code ${code}`})`);
}

export function startSinkProcess(): ChildProcess {
  return start("sink.ts", [], { env: cleanEnvironment() });
}

/** The load generator of the sidecar's benchmark. */
export function startLoadProcess(): ChildProcess {
  return start("sidecar/load-process.ts", [], { env: cleanEnvironment() });
}

/** To be ended by `killRunning` at the latest. */
export function keep(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once("exit", () => running.delete(child));
  child.once("error", () => running.delete(child));
  return child;
}

export async function end(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Ends at once what still runs; for the last moment of the runner. */
export function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

const settingName = /^(LANGFUSE|ENABLE_TRACING|OTEL|SPAN_BUFFER|NODE_OPTIONS)/;

function start(file: string, args: readonly string[], options: ForkOptions): ChildProcess {
  return keep(fork(new URL(file, import.meta.url), args, options));
}

/** Settings of whoever runs the benchmark must not become settings of its subjects. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !settingName.test(name)));
}

async function message<Message extends ProcessMessage>(
  child: ChildProcess,
  isWanted: (message: ProcessMessage) => boolean,
  limitMs: number,
): Promise<Message> {
  const controller = new AbortController();
  const tooLong = setTimeout(limitMs, undefined, { signal: controller.signal }).then(() => {
    throw new Error(`the subject's process took longer than ${limitMs / 1000} s`);
  });
  const sent = new Promise<Message>((resolve, reject) => {
    child.on("message", (value) => {
      if (isWanted(value as ProcessMessage)) resolve(value as Message);
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      reject(new Error(`the subject's process ended early (${signal ?? `exit code ${code}`})`));
    });
  });
  try {
    return await Promise.race([sent, tooLong]);
  } finally {
    controller.abort();
    tooLong.catch(() => undefined);
  }
}

export function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Resolves when it has ended, or the time is over. */
export async function waitForExit(child: ChildProcess, limitMs: number): Promise<void> {
  const limit = new AbortController();
  const exited = isRunning(child) ? once(child, "exit") : Promise.resolve();
  await Promise.race([exited, setTimeout(limitMs, undefined, { signal: limit.signal }).catch(() => undefined)]);
  limit.abort();
}
