/** How long one call takes: the share of calls that are done by then, one curve a subject, on a scale of nines. */
import type { BenchResults } from "../results.ts";
import { curveShares, median } from "../statistics.ts";
import type { ResultRow } from "../trial.ts";
import { type Line, lineChart, type Tick } from "./svg.ts";

const leastMicros = 1;
const mostMicros = 100_000;
/** 99.99%. */
const mostNines = 4;

const xTicks: readonly Tick[] = [
  [1, "1 µs"],
  [10, "10 µs"],
  [100, "100 µs"],
  [1_000, "1 ms"],
  [10_000, "10 ms"],
  [100_000, "100 ms"],
].map(([micros, label]) => ({ at: xOf(micros as number), label: label as string }));

const yTicks: readonly Tick[] = [0, 0.5, 0.9, 0.99, 0.999, 0.9999].map((share) => ({
  at: yOf(share),
  label: share === 0 ? "0%" : `${Number((share * 100).toFixed(2))}%`,
}));

export function latencyChart({ trials }: BenchResults): string | undefined {
  const trial = trials.find(({ name }) => name === "hot-path");
  if (trial === undefined) return undefined;
  return lineChart({
    title: "Latency of one call, flat out",
    subtitle: `LLM span of 1.2 KB, on the caller's thread, median of ${trial.turns} turn${trial.turns === 1 ? "" : "s"}; further left is better`,
    xTitle: "time of the call (logarithmic)",
    yTitle: "share of calls done by then",
    xTicks,
    yTicks,
    lines: trial.rows.map(lineOf),
  });
}

function lineOf({ title, samples }: ResultRow): Line {
  const points = curveShares.map((share, index) => {
    const micros = median(samples.flatMap(({ curve }) => curve?.[index] ?? []));
    return { x: xOf(micros), y: yOf(share) };
  });
  return { label: title.replace(/^span-buffer /, ""), points: points.filter(({ x }) => !Number.isNaN(x)) };
}

function xOf(micros: number): number {
  return Math.log(Math.max(leastMicros, micros) / leastMicros) / Math.log(mostMicros / leastMicros);
}

function yOf(share: number): number {
  return -Math.log10(1 - share) / mostNines;
}
