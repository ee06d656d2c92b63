/** A cold start: loading, constructing, and the first span's way to the sink. */
import { epochMs, threadCpuMicros } from "../clock.ts";
import { makeContents } from "../content.ts";
import type { Measure } from "../job.ts";
import { fetchArrivals } from "./arrivals.ts";

export const measure: Measure = async ({ job, prepare, importMs }) => {
  const [content] = makeContents(job.kind, 1, job.seed);
  if (content === undefined) throw new Error("no span was made");
  const cpuBefore = threadCpuMicros();
  const constructAtMs = performance.now();
  const subject = prepare();
  const constructMs = performance.now() - constructAtMs;
  const constructCpuMs = (threadCpuMicros() - cpuBefore) / 1000;

  subject.call(subject.inputOf(content));
  const flushAtMs = epochMs();
  await subject.settle();
  const flushMs = epochMs() - flushAtMs;
  const { timeline } = await fetchArrivals(job.context.baseUrl);
  await subject.close();
  const firstArrivalMs = (timeline[0]?.[0] ?? Number.NaN) - flushAtMs;
  return { figures: { importMs, constructMs, constructCpuMs, flushMs, firstArrivalMs } };
};
