/** The shortest way to another thread in code: the structured clone. The worker throws the span away. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { SpanRecord } from "../../src/index.ts";
import { recordOf } from "../span.ts";
import type { PrepareSubject } from "../subject.ts";

/** Answers the one message that is no span, so that `settle` knows that all before it have been taken. */
const workerSource = `
  const { parentPort } = require("node:worker_threads");
  parentPort.on("message", (message) => { if (message === "settle") parentPort.postMessage("settled"); });
`;

export const prepare: PrepareSubject<SpanRecord> = () => {
  const worker = new Worker(workerSource, { eval: true });
  return {
    inputOf: recordOf,
    call(record) {
      worker.postMessage(record);
    },
    async settle() {
      const settled = once(worker, "message");
      worker.postMessage("settle");
      await settled;
    },
    async close() {
      await worker.terminate();
    },
  };
};
