// A thread of a bot that hands its spans to the buffer of another. `workerData`: a handle, what to do, how many spans, and
// shared memory in which it counts those whose `end()` has returned, and says that there will be no more.
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { attach, type SpanBufferHandle } from "../../src/index.ts";

export interface AttachedBotData {
  handle: SpanBufferHandle;
  way:
    | "end"
    | "throw"
    | "exit"
    | "flush"
    | "forever"
    | "slowly"
    | "wait"
    | "burst-forever"
    | "beside-forever"
    | "scores";
  count: number;
  ended: SharedArrayBuffer;
  /** Of the spans, so that tests can tell whose they are. */
  name: string;
  /** Bytes of each span's input. */
  inputBytes?: number;
}

const { handle, way, count, ended, name, inputBytes = 20 } = workerData as AttachedBotData;
const buffer = attach(handle);
const endedCount = new Int32Array(ended);
const input = "x".repeat(inputBytes);

function endSpan(): void {
  buffer.startSpan(name, { input }).end();
  Atomics.add(endedCount, 0, 1);
}

function endSpans(): void {
  for (let index = 0; index < count; index++) endSpan();
}

switch (way) {
  case "end":
    endSpans();
    break;
  case "throw":
    endSpans();
    throw new Error("uncaught on purpose");
  case "exit":
    endSpans();
    process.exit(3);
  case "flush":
    endSpans();
    parentPort?.postMessage({ ...(await buffer.flush({ timeoutMs: 20_000 })), stats: buffer.stats() });
    break;
  case "forever":
    // Never comes back to its event loop.
    for (;;) endSpan();
  case "burst-forever":
    endSpans();
    for (;;);
  case "beside-forever":
    // Until more waits than the ring can hold; from then on nobody moves it.
    do endSpans();
    while (buffer.stats().waiting < count);
    Atomics.store(endedCount, 1, 1);
    for (;;);
  case "slowly":
    for (let round = 0; round < count; round++) {
      for (let index = 0; index < 20; index++) endSpan();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    break;
  case "scores":
    for (let index = 0; index < count; index++) {
      const span = buffer.startSpan(name, { input });
      span.score({ name, value: index, comment: input });
      span.end();
      Atomics.add(endedCount, 0, 1);
    }
    // Nothing of this thread runs any more: what it has given must be elsewhere.
    for (;;);
  case "wait":
    endSpans();
    parentPort?.postMessage("ready");
    parentPort?.on("message", () => {
      endSpans();
      parentPort?.postMessage(buffer.stats());
    });
    break;
}
