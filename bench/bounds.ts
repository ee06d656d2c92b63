/** What the package is held against. A miss is said, and is no failure: a benchmark is not a test. */
import { type BenchResults, figureOf, pairedOf, rowOf, type Spread, spreadOf } from "./results.ts";
import { backlogTitle } from "./runners/drain.ts";
import type { ResultRow } from "./trial.ts";

type Find = (trial: string, subject: string, variant?: string) => ResultRow | undefined;

interface Bound {
  what: string;
  /** Undefined when something that it needs did not run. */
  figure: (find: Find) => Spread | undefined;
  /** Absent: shown for comparison only. */
  limit?: number;
  side?: "at most" | "at least";
  unit: string;
}

const divided = (value: number, other: number): number => value / other;
const less = (value: number, other: number): number => value - other;

const hotCpu =
  (subject: string, other: string) =>
  (find: Find): Spread | undefined =>
    pairedOf(find("hot-path", subject), find("hot-path", other), divided, "flatOut.cpuMicrosPerSpan");

/** What each of two adds to a third that both contain, one over the other. */
const addedCpu =
  (subject: string, other: string, base: string) =>
  (find: Find): Spread | undefined => {
    const added = [subject, other].map((name) =>
      pairedOf(find("hot-path", name), find("hot-path", base), less, "flatOut.cpuMicrosPerSpan"),
    );
    const others = added[1]?.turns ?? [];
    return spreadOf((added[0]?.turns ?? []).map((value, turn) => value / (others[turn] ?? Number.NaN)));
  };

const plain =
  (trial: string, subject: string, figure: string, variant?: string) =>
  (find: Find): Spread | undefined =>
    figureOf(find(trial, subject, variant), figure);

const overNone =
  (trial: string, subject: string, figure: string, combine: typeof divided) =>
  (find: Find): Spread | undefined =>
    pairedOf(find(trial, subject), find(trial, "none"), combine, figure);

const largest = backlogTitle(3_000_000);

/** A figure of the largest backlog over that of a small one, in the same turn and for the same spans of it. */
const overBacklog =
  (subject: string, figure: string, small: number) =>
  (find: Find): Spread | undefined =>
    pairedOf(find("drain", subject, largest), find("drain", subject, backlogTitle(small)), divided, figure);

const sentBy: readonly [subject: string, words: string][] = [
  ["enqueue-journal", "SDK sender"],
  ["enqueue-direct", "direct sender"],
];

/** With durability `strict` each call writes to a file. */
const strictPaces: readonly [figure: string, words: string][] = [
  ["flatOut", "flat out"],
  ["paced10000", "at 10,000 spans a second"],
];

const bounds: readonly Bound[] = [
  {
    what: "caller's CPU, enqueue (journal) to the floor's",
    figure: hotCpu("enqueue-journal", "floor"),
    limit: 1.3,
    side: "at most",
    unit: " ×",
  },
  {
    what: "caller's CPU, startSpan…end to the floor's",
    figure: hotCpu("start-span", "floor"),
    limit: 1.6,
    side: "at most",
    unit: " ×",
  },
  {
    what: "p99.9 flat out, enqueue (journal) to the floor's",
    figure: (find) =>
      pairedOf(find("hot-path", "enqueue-journal"), find("hot-path", "floor"), divided, "flatOut.p999Micros"),
    limit: 2,
    side: "at most",
    unit: " ×",
  },
  {
    what: "p50 flat out, enqueue (strict) to enqueue (journal)",
    figure: (find) =>
      pairedOf(find("hot-path", "enqueue-strict"), find("hot-path", "enqueue-journal"), divided, "flatOut.p50Micros"),
    limit: 2,
    side: "at most",
    unit: " ×",
  },
  ...strictPaces.map(
    ([figure, words]): Bound => ({
      what: `p99.9 ${words}, enqueue (strict)`,
      figure: plain("hot-path", "enqueue-strict", `${figure}.p999Micros`),
      limit: 200,
      side: "at most",
      unit: " µs",
    }),
  ),
  {
    what: "caller's CPU, @langfuse/otel 5 to enqueue (journal)",
    figure: hotCpu("langfuse-otel", "enqueue-journal"),
    limit: 8,
    side: "at least",
    unit: " ×",
  },
  {
    what: "caller's CPU, langfuse 3 (its cheapest use) to enqueue (journal)",
    figure: hotCpu("langfuse-3", "enqueue-journal"),
    limit: 100,
    side: "at least",
    unit: " ×",
  },
  {
    what: "caller's CPU, langfuse 3 (trace and end) to enqueue (journal)",
    figure: hotCpu("langfuse-3-traced", "enqueue-journal"),
    limit: 100,
    side: "at least",
    unit: " ×",
  },
  {
    what: "caller's CPU, OTel batch JSON to enqueue (journal)",
    figure: hotCpu("otel-json", "enqueue-journal"),
    limit: 4,
    side: "at least",
    unit: " ×",
  },
  {
    what: "caller's CPU, BufferedSpanProcessor to OTel batch JSON, the tracer's own in both",
    figure: hotCpu("otel-buffered", "otel-json"),
    limit: 0.5,
    side: "at most",
    unit: " ×",
  },
  {
    what: "the same without the tracer's own: what the processors add",
    figure: addedCpu("otel-buffered", "otel-json", "otel-unprocessed"),
    limit: 0.5,
    side: "at most",
    unit: " ×",
  },
  // Like with like, though no bound is set for it: both make the span as well as deliver it.
  {
    what: "caller's CPU, @langfuse/otel 5 to startSpan…end",
    figure: hotCpu("langfuse-otel", "start-span"),
    unit: " ×",
  },
  {
    what: "caller's CPU, langfuse 3 (trace and end) to startSpan…end",
    figure: hotCpu("langfuse-3-traced", "start-span"),
    unit: " ×",
  },
  {
    what: "busy bot, event-loop delay p99 to that without tracing",
    figure: overNone("loop", "enqueue-journal", "loopDelay.p99Ms", divided),
    limit: 1.5,
    side: "at most",
    unit: " ×",
  },
  {
    what: "busy bot, lateness p99 of its own timer to that without tracing",
    figure: overNone("loop", "enqueue-journal", "late.p99Ms", divided),
    limit: 1.5,
    side: "at most",
    unit: " ×",
  },
  {
    what: "busy bot, event-loop delay p99 with startSpan…end to that without tracing",
    figure: overNone("loop", "start-span", "loopDelay.p99Ms", divided),
    unit: " ×",
  },
  {
    what: "whole process's CPU a span, SDK sender",
    figure: plain("delivery", "enqueue-journal", "processCpuMicrosPerSpan"),
    limit: 25,
    side: "at most",
    unit: " µs",
  },
  {
    what: "whole process's CPU a span, direct sender",
    figure: plain("delivery", "enqueue-direct", "processCpuMicrosPerSpan"),
    limit: 15,
    side: "at most",
    unit: " µs",
  },
  ...sentBy.map(
    ([subject, words]): Bound => ({
      what: `whole way to a sink, ${words}`,
      figure: plain("delivery", subject, "arrivedPerSecond"),
      limit: 40_000,
      side: "at least",
      unit: " spans/s",
    }),
  ),
  ...sentBy.map(
    ([subject, words]): Bound => ({
      what: `whole way to a sink that answers after 50 ms, ${words}`,
      figure: plain("late-sink", subject, "arrivedPerSecond"),
      limit: 20_000,
      side: "at least",
      unit: " spans/s",
    }),
  ),
  ...sentBy.flatMap(([subject, words]): Bound[] => [
    {
      what: `drain rate with 3,000,000 waiting to that with 10,000, the first 10,000 spans, ${words}`,
      figure: overBacklog(subject, "earlyPerSecond", 10_000),
      limit: 0.9,
      side: "at least",
      unit: " ×",
    },
    {
      what: `drain rate with 3,000,000 waiting to that with 100,000, the 50,000 after them, ${words}`,
      figure: overBacklog(subject, "steadyPerSecond", 100_000),
      limit: 0.9,
      side: "at least",
      unit: " ×",
    },
    {
      what: `peak RSS with 3,000,000 waiting to that with 10,000, the first 10,000 spans, ${words}`,
      figure: overBacklog(subject, "earlyPeakMb", 10_000),
      limit: 1.1,
      side: "at most",
      unit: " ×",
    },
    {
      what: `peak RSS with 3,000,000 waiting to that with 100,000, 60,000 spans, ${words}`,
      figure: overBacklog(subject, "peakMb", 100_000),
      limit: 1.1,
      side: "at most",
      unit: " ×",
    },
    {
      what: `start with 3,000,000 waiting until the first is at the sink, ${words}`,
      figure: plain("drain", subject, "firstArrivalMs", largest),
      limit: 1_000,
      side: "at most",
      unit: " ms",
    },
  ]),
  {
    what: "memory added, idle",
    figure: overNone("memory", "enqueue-journal", "idleMb", less),
    limit: 80,
    side: "at most",
    unit: " MB",
  },
  {
    what: "memory added, 10,000 spans a second",
    figure: overNone("memory", "enqueue-journal", "peakMb", less),
    limit: 150,
    side: "at most",
    unit: " MB",
  },
  {
    what: "memory added, outage of 1,000,000 spans",
    figure: overNone("memory-outage", "enqueue-journal", "peakMb", less),
    limit: 150,
    side: "at most",
    unit: " MB",
  },
  {
    what: "constructor on the caller's thread",
    figure: plain("start", "enqueue-journal", "constructMs"),
    limit: 3,
    side: "at most",
    unit: " ms",
  },
  {
    what: "first span of a cold start, from flush() until it is delivered",
    figure: plain("start", "enqueue-journal", "flushMs"),
    limit: 1_000,
    side: "at most",
    unit: " ms",
  },
];

/** One line for each bound whose subjects ran, in the order of the table. */
export function boundLines({ trials }: Pick<BenchResults, "trials">): string[] {
  const find: Find = (trial, subject, variant) =>
    rowOf(
      trials.find(({ name }) => name === trial),
      subject,
      variant,
    );
  return bounds.flatMap((bound) => {
    const spread = bound.figure(find);
    return spread === undefined ? [] : [boundLine(bound, spread)];
  });
}

function boundLine({ what, limit, side, unit }: Bound, { median, turns }: Spread): string {
  const figure = `${shown(median)}${unit}`;
  if (limit === undefined) return `no bound: ${what}: ${figure}`;
  const holds = (value: number): boolean => (side === "at most" ? value <= limit : value >= limit);
  const broken = turns.filter((value) => !holds(value));
  const worst = side === "at most" ? Math.max(...turns) : Math.min(...turns);
  const inTurns =
    turns.length === 1
      ? "one turn"
      : broken.length === 0
        ? `in all ${turns.length} turns`
        : `broken in ${broken.length} of ${turns.length} turns, worst ${shown(worst)}${unit}`;
  const verdict = holds(median) ? "met" : "MISSED";
  return `${verdict}: ${what}: ${figure} (${side} ${limit.toLocaleString("en")}${unit}; ${inTurns})`;
}

function shown(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(value < 1 ? 3 : 2);
}
