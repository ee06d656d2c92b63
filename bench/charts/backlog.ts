/** Spans a second against the spans that wait: flat is what it should be. */
import { type BenchResults, figureOf } from "../results.ts";
import type { ResultRow, TrialResult } from "../trial.ts";
import { type Line, lineChart, type Tick } from "./svg.ts";

const leastSpans = 1_000;
const mostSpans = 10_000_000;
const steps = 5;

const measured: readonly { figure: string; words: string }[] = [
  { figure: "earlyPerSecond", words: "first 10,000" },
  { figure: "steadyPerSecond", words: "then" },
];

export function backlogChart({ trials }: BenchResults): string | undefined {
  const trial = trials.find(({ name }) => name === "drain");
  if (trial === undefined) return undefined;
  const most = Math.max(0, ...trial.rows.flatMap((row) => measured.map(({ figure }) => rateOf(row, figure) ?? 0)));
  const step = roundStep(most / steps);
  const top = step * steps;
  return lineChart({
    title: "Drain rate by backlog",
    subtitle: `stt spans of 0.3 KB waiting in the journal at a start, median of ${trial.turns} turn${trial.turns === 1 ? "" : "s"}; flat is good, higher is better`,
    xTitle: "spans waiting (logarithmic)",
    yTitle: "spans a second",
    xTicks: [1_000, 10_000, 100_000, 1_000_000, 10_000_000].map(
      (spans): Tick => ({ at: xOf(spans), label: spans.toLocaleString("en") }),
    ),
    yTicks: Array.from({ length: steps + 1 }, (_, index): Tick => {
      const rate = index * step;
      return { at: rate / top, label: rate.toLocaleString("en") };
    }),
    lines: linesOf(trial, top),
  });
}

function linesOf({ rows }: TrialResult, top: number): Line[] {
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  return subjects.flatMap((subject) =>
    measured.map(({ figure, words }): Line => {
      const own = rows.filter((row) => row.subject === subject);
      const points = own.flatMap((row) => {
        const rate = rateOf(row, figure);
        const waiting = figureOf(row, "size")?.median;
        return rate === undefined || waiting === undefined ? [] : [{ x: xOf(waiting), y: rate / top }];
      });
      const sender = subject === "enqueue-direct" ? "direct sender" : "SDK sender";
      return { label: `${sender}, ${words}`, points, hasDots: true };
    }),
  );
}

function rateOf(row: ResultRow, figure: string): number | undefined {
  return figureOf(row, figure)?.median;
}

function xOf(spans: number): number {
  return Math.log(spans / leastSpans) / Math.log(mostSpans / leastSpans);
}

/** 1, 2, 2.5 or 5 times a power of ten, not below the value. */
function roundStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return power * ([1, 2, 2.5, 5].find((factor) => factor * power >= value) ?? 10);
}
