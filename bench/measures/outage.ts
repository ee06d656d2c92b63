/** Makes spans at a steady pace until the runner says that the outage is over, then settles. The sink counts. */
import { once } from "node:events";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { makeContents } from "../content.ts";
import type { Measure, ReadyMessage } from "../job.ts";
import { fetchSpanCount } from "./arrivals.ts";

const inputsAtOnce = 500;

export const measure: Measure = async ({ job, prepare, parameter }) => {
  const { kind, seed, context } = job;
  const spansPerSecond = parameter("spansPerSecond");
  const subject = prepare();
  let isOver = false;
  const over = once(process, "message").then(() => {
    isOver = true;
  });
  const ready: ReadyMessage = { type: "ready" };
  process.send?.(ready);

  let sent = 0;
  let inputs: unknown[] = [];
  const beganMs = performance.now();
  while (!isOver) {
    await setTimeout(10);
    const due = Math.floor(((performance.now() - beganMs) * spansPerSecond) / 1000);
    for (; sent < due; sent++) {
      if (sent % inputsAtOnce === 0) {
        inputs = makeContents(kind, inputsAtOnce, seed + sent, sent).map((content) => subject.inputOf(content));
      }
      subject.call(inputs[sent % inputsAtOnce]);
    }
  }
  await over;
  const settleAtMs = performance.now();
  // OTel's flush rejects when an export failed; what was lost is seen at the sink.
  await subject.settle().catch(() => undefined);
  const settleMs = performance.now() - settleAtMs;
  // `langfuse` 3 and OTel leave retries behind that are still under way; a bot lives on, and they may come through.
  const graceEndsMs = performance.now() + parameter("graceSeconds") * 1000;
  while ((await fetchSpanCount(context.baseUrl)) < sent && performance.now() < graceEndsMs) await setTimeout(100);
  return { figures: { sent, settleMs } };
};
