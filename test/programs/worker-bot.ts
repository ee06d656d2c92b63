// A bot that runs in a worker thread, with a buffer of its own: says after each round how many spans have ended so far.
import { parentPort, workerData } from "node:worker_threads";
import { SpanBuffer, type SpanBufferOptions } from "../../src/index.ts";

const buffer = new SpanBuffer({ ...(workerData as SpanBufferOptions), logger: { warn: () => undefined } });
let count = 0;

setInterval(() => {
  for (let index = 0; index < 20; index++) buffer.startSpan(String(count++)).end();
  parentPort?.postMessage(count);
}, 5);
