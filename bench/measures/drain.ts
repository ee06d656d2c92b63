/**
 * A start with spans waiting in the journal: when does the first arrive, how fast do they come, how much memory does it
 * take? The same number of spans at each size, as far as there are so many. The runner ends the process.
 */
import { setTimeout } from "node:timers/promises";
import { epochMs } from "../clock.ts";
import type { Measure } from "../job.ts";
import { fetchArrivals, fetchSpanCount } from "./arrivals.ts";
import { sampleMemory } from "./memory-samples.ts";

const askEveryMs = 25;
const limitMs = 60_000;

export const measure: Measure = async ({ job, prepare, parameter }) => {
  const { spans, context } = job;
  const firstSpans = parameter("firstSpans");
  const memory = sampleMemory();
  const startAtMs = epochMs();
  prepare();
  while ((await fetchSpanCount(context.baseUrl)) < spans) {
    if (epochMs() - startAtMs > limitMs) throw new Error(`${spans} spans did not arrive within ${limitMs / 1000} s`);
    await setTimeout(askEveryMs);
  }
  memory.stop();
  const { timeline } = await fetchArrivals(context.baseUrl);
  const [firstAtMs, firstCount] = timeline[0] ?? [Number.NaN, Number.NaN];
  const reached = (count: number): [atMs: number, spans: number] =>
    timeline.find(([, sofar]) => sofar >= count) ?? [Number.NaN, Number.NaN];
  const [earlyAtMs, earlyCount] = reached(firstSpans);
  const [lastAtMs, lastCount] = reached(spans);
  return {
    figures: {
      firstArrivalMs: firstAtMs - startAtMs,
      earlyPerSecond: perSecond(earlyCount - firstCount, earlyAtMs - firstAtMs),
      earlyPeakMb: memory.peakMb(earlyAtMs),
      // Beyond the first ones, when all code is compiled; nothing is left to measure of the smallest backlog.
      steadyPerSecond: spans > firstSpans ? perSecond(lastCount - earlyCount, lastAtMs - earlyAtMs) : Number.NaN,
      peakMb: memory.peakMb(),
    },
  };
};

function perSecond(count: number, ms: number): number {
  return (count / ms) * 1000;
}
