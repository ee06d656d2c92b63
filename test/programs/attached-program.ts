// A program whose thread hands its spans to the buffer of the main thread, and that ends in the way it is told.
import process from "node:process";
import { Worker } from "node:worker_threads";
import { SpanBuffer } from "../../src/index.ts";
import type { AttachedBotData } from "./attached-bot.ts";

const [way = "", baseUrl = "", directory = "", count = "1", durability = "journal", bot = "burst-forever"] =
  process.argv.slice(2);
const buffer = new SpanBuffer({
  baseUrl,
  publicKey: "pk-lf-stand-in",
  secretKey: "sk-lf-stand-in",
  directory,
  batchSize: 1_000,
  durability: durability as "journal" | "strict",
  logger: { warn: () => undefined },
});
const ended = new SharedArrayBuffer(8);
const botWay = (way === "return" ? "end" : bot) as AttachedBotData["way"];
const workerData: AttachedBotData = { handle: buffer.handle(), way: botWay, count: Number(count), ended, name: "bot" };
const worker = new Worker(new URL("./attached-bot.ts", import.meta.url), { workerData });

/** Blocks until the thread has ended its spans: this one's event loop has not turned since the thread attached. */
function blockUntilEnded(): void {
  const endedCount = new Int32Array(ended);
  while (Atomics.load(endedCount, 0) < Number(count)) Atomics.wait(endedCount, 0, Atomics.load(endedCount, 0), 5);
}

worker.once("online", () => {
  switch (way) {
    case "exit":
      blockUntilEnded();
      process.exit(0);
    case "throw":
      blockUntilEnded();
      throw new Error("uncaught on purpose");
    case "kill":
      blockUntilEnded();
      process.kill(process.pid, "SIGKILL");
      break;
    default:
      // Returns: the thread ends by itself, and the program with it.
      break;
  }
});
