/** The whole way: spans flat out, until the sink has them all. CPU is that of all threads, memory that of the process. */
import { makeContents } from "../content.ts";
import { calibrate, driveFlatOut, noCalibration } from "../drive.ts";
import type { Measure } from "../job.ts";
import { cpuMicrosByThread } from "../thread-cpu.ts";
import { fetchArrivals } from "./arrivals.ts";
import { sampleMemory } from "./memory-samples.ts";

const mostWarmUpSpans = 20_000;
/** Different spans, taken in turns: hundreds of thousands would be a heap that no bot has. */
const mostInputs = 5_000;

export const measure: Measure = async ({ job, prepare }) => {
  const { spans, kind, seed, context } = job;
  const subject = prepare();
  const call = (input: unknown): void => subject.call(input);
  const settle = (): Promise<void> => subject.settle();
  const inputs = makeContents(kind, Math.min(spans, mostInputs), seed).map((content) => subject.inputOf(content));

  const warmUpSpans = Math.min(mostWarmUpSpans, Math.ceil(spans / 2));
  await driveFlatOut({ call, settle, inputs, calls: warmUpSpans, calibration: noCalibration });
  const calibration = await calibrate();
  const before = await fetchArrivals(context.baseUrl);
  const memory = sampleMemory();
  const threadsBefore = cpuMicrosByThread();
  const { measures } = await driveFlatOut({ call, settle, inputs, calls: spans, calibration });
  memory.stop();
  const byThread = Object.entries(cpuMicrosByThread()).map(([figure, micros]) => [
    `${figure}PerSpan`,
    (micros - (threadsBefore[figure] ?? 0)) / spans,
  ]);
  const after = await fetchArrivals(context.baseUrl);
  const arrived = after.spans - before.spans;
  await subject.close();
  return {
    figures: {
      spans,
      ...measures,
      ...(Object.fromEntries(byThread) as Record<string, number>),
      arrivedShare: arrived / spans,
      arrivedPerSecond: (measures.settledPerSecond * arrived) / spans,
      sinkCpuMicrosPerSpan: (after.sinkCpuMicros - before.sinkCpuMicros) / Math.max(1, arrived),
      peakMb: memory.peakMb(),
    },
  };
};
