/**
 * A bot with work of its own on its event loop: a slice of audio frames as JSON is read and written every few
 * milliseconds, while spans come at a steady pace. How late does its loop become?
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { threadCpuMicros } from "../clock.ts";
import { makeContents } from "../content.ts";
import type { Measure } from "../job.ts";
import { fetchQuietSpanCount } from "./arrivals.ts";
import { quantile } from "../statistics.ts";

const sliceEveryMs = 5;
/** Some 0.7 ms of work a slice on a machine of 2025. */
const framesPerSlice = 56;
const lateTimerMs = 2;
const spanTimerMs = 1;
const mostInputs = 5_000;
/** Time for the compilers and for the threads of the subject. */
const warmUpMs = 800;

export const measure: Measure = async ({ job, prepare, parameter }) => {
  const { kind, seed } = job;
  const spansPerSecond = parameter("spansPerSecond");
  const runMs = parameter("runSeconds") * 1000;
  const subject = prepare();
  const inputs = makeContents(kind, mostInputs, seed).map((content) => subject.inputOf(content));

  let calls = 0;
  let isOver = false;
  const lateMs = new Float64Array(Math.ceil(runMs + warmUpMs));
  let lateCount = 0;

  const makeSpans = async (): Promise<void> => {
    const beganMs = performance.now();
    while (!isOver) {
      await setTimeout(spanTimerMs);
      const due = Math.floor(((performance.now() - beganMs) * spansPerSecond) / 1000);
      for (; calls < due; calls++) subject.call(inputs[calls % inputs.length]);
    }
  };
  const work = async (): Promise<void> => {
    while (!isOver) {
      await setTimeout(sliceEveryMs);
      workOneSlice();
    }
  };
  const takeLateness = async (): Promise<void> => {
    while (!isOver && lateCount < lateMs.length) {
      const dueMs = performance.now() + lateTimerMs;
      await setTimeout(lateTimerMs);
      lateMs[lateCount++] = Math.max(0, performance.now() - dueMs);
    }
  };

  const running = [makeSpans(), work()];
  await setTimeout(warmUpMs);
  globalThis.gc?.();
  const callsBefore = calls;
  const loopDelay = monitorEventLoopDelay({ resolution: 1 });
  const cpuBefore = threadCpuMicros();
  const beganMs = performance.now();
  loopDelay.enable();
  running.push(takeLateness());
  await setTimeout(runMs);
  loopDelay.disable();
  const tookSeconds = (performance.now() - beganMs) / 1000;
  const callsMade = calls - callsBefore;
  isOver = true;
  await Promise.all(running);
  const cpuMicros = threadCpuMicros() - cpuBefore;
  await subject.settle();
  const arrived = await fetchQuietSpanCount(job.context.baseUrl);
  await subject.close();
  const late = lateMs.subarray(0, lateCount).sort();
  return {
    figures: {
      "loopDelay.p50Ms": loopDelay.percentile(50) / 1e6,
      "loopDelay.p99Ms": loopDelay.percentile(99) / 1e6,
      "loopDelay.maxMs": loopDelay.max / 1e6,
      "late.p50Ms": quantile(late, 0.5),
      "late.p99Ms": quantile(late, 0.99),
      "late.maxMs": quantile(late, 1),
      threadLoad: cpuMicros / (tookSeconds * 1e6),
      spansPerSecond: callsMade / tookSeconds,
      arrivedShare: arrived / calls,
    },
  };
};

const frame = JSON.stringify({
  type: "media",
  streamId: "stream-4f2a91c07b",
  sequence: 184_467,
  timestampMs: 1_790_000_123_456,
  media: { track: "inbound", encoding: "audio/x-mulaw", sampleRate: 16_000, payload: "fn7+/v5+fn7+fv7+".repeat(54) },
  marks: Array.from({ length: 12 }, (_, index) => ({ name: `word-${index}`, atMs: index * 20, confidence: 0.9 })),
});

let workedBytes = 0;

function workOneSlice(): void {
  for (let index = 0; index < framesPerSlice; index++) {
    const parsed = JSON.parse(frame) as { sequence: number };
    parsed.sequence += index;
    // The result is used, so that no compiler leaves the work out.
    workedBytes += JSON.stringify(parsed).length;
  }
  if (workedBytes < 0) throw new Error("unreachable: lengths add up to less than nothing");
}
