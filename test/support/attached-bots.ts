import { Worker } from "node:worker_threads";
import { onTestFinished } from "vitest";
import type { SpanBuffer } from "../../src/index.ts";
import type { AttachedBotData } from "../programs/attached-bot.ts";

export interface AttachedBot {
  worker: Worker;
  name: string;
  /** Spans whose `end()` has returned. */
  ended: () => number;
  /** Has a `beside-forever` ended all that it will? */
  isDone: () => boolean;
  /** Resolves when the thread is gone, however that came about. */
  gone: Promise<unknown>;
}

let bots = 0;

/** A thread that hands spans to the buffer; gone when the test ends. */
export function startAttachedBot(
  buffer: Pick<SpanBuffer, "handle">,
  way: AttachedBotData["way"],
  count: number,
  inputBytes = 20,
): AttachedBot {
  const ended = new SharedArrayBuffer(8);
  const name = `thread ${++bots}`;
  const workerData: AttachedBotData = { handle: buffer.handle(), way, count, ended, name, inputBytes };
  const worker = new Worker(new URL("../programs/attached-bot.ts", import.meta.url), { workerData, execArgv: [] });
  onTestFinished(() => void worker.terminate());
  // An error of its own is a way to end here.
  worker.on("error", () => undefined);
  const gone = new Promise((resolve) => worker.once("exit", resolve));
  const words = new Int32Array(ended);
  return { worker, name, gone, ended: () => Atomics.load(words, 0), isDone: () => Atomics.load(words, 1) === 1 };
}
