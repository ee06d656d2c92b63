import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { SpanBufferOptions, SpanBufferStats } from "../../src/index.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const program = fileURLToPath(new URL("../programs/remote-buffer.ts", import.meta.url));

export interface RemoteBuffer {
  /** Notices and `lastError`, in the order of time. */
  said: string[];
  /** As of the last 20 ms; undefined before the first. */
  stats(): SpanBufferStats | undefined;
  end(count: number): void;
  /** Hurries until so many are acknowledged. */
  drain(acknowledged: number): Promise<void>;
}

/** A buffer in a process of its own, with the stand-in's keys; ended with the test. */
export function remoteBuffer(options: SpanBufferOptions, env: Record<string, string> = {}): RemoteBuffer {
  const all: SpanBufferOptions = {
    publicKey: "pk-lf-stand-in",
    secretKey: "sk-lf-stand-in",
    directory: temporaryDirectory(),
    flushInterval: 0.05,
    exportTimeoutMs: 5_000,
    ...options,
  };
  const child = fork(program, [JSON.stringify(all)], {
    env: { ...process.env, ...env },
    execArgv: [],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stats: SpanBufferStats | undefined;
  const said: string[] = [];
  child.on("message", (message: { said?: string; stats?: SpanBufferStats }) => {
    stats = message.stats ?? stats;
    const text = message.said ?? message.stats?.lastError;
    if (text !== undefined && said.at(-1) !== text) said.push(text);
  });
  return {
    said,
    stats: () => stats,
    end: (count) => void child.send({ end: count }),
    async drain(acknowledged) {
      while (child.connected && (stats?.acknowledged ?? 0) < acknowledged) {
        child.send({ flush: true });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  };
}
