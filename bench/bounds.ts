/** What the hot path is held against. A miss is said, and is no failure: a benchmark is not a test. */
import type { BenchResults, SubjectSummary } from "./results.ts";

interface Bound {
  what: string;
  /** The figure of this run; undefined when a subject that it needs did not run. */
  figure: (find: Find) => number | undefined;
  /** The same of each turn, where one turn may well break what the median keeps. */
  turns?: (find: Find) => number[];
  limit: number;
  side: "at most" | "at least" | "below";
  unit: string;
  /** What would be better still. */
  aim?: number;
}

type Find = (name: string) => SubjectSummary | undefined;

const cpuRatio =
  (of: string, to: string) =>
  (find: Find): number | undefined => {
    const [dividend, divisor] = [find(of), find(to)];
    if (dividend === undefined || divisor === undefined) return undefined;
    return dividend.flatOut.cpuMicrosPerSpan / divisor.flatOut.cpuMicrosPerSpan;
  };

const bounds: readonly Bound[] = [
  {
    what: "CPU of enqueue (journal) to the floor's",
    figure: (find) => find("enqueue-journal")?.cpuToFloor,
    limit: 2,
    side: "at most",
    unit: " ×",
    aim: 1.3,
  },
  {
    what: "CPU of @langfuse/otel 5 to that of enqueue (journal)",
    figure: cpuRatio("langfuse-otel", "enqueue-journal"),
    limit: 5,
    side: "at least",
    unit: " ×",
  },
  {
    what: "CPU of langfuse 3 (trace and end) to that of enqueue (journal)",
    figure: cpuRatio("langfuse-3-traced", "enqueue-journal"),
    limit: 60,
    side: "at least",
    unit: " ×",
  },
  {
    what: "CPU of langfuse 3 (its cheapest use) to that of enqueue (journal)",
    figure: cpuRatio("langfuse-3", "enqueue-journal"),
    limit: 60,
    side: "at least",
    unit: " ×",
  },
  {
    what: "p99.9 of enqueue (journal), flat out",
    figure: (find) => find("enqueue-journal")?.flatOut.p999Micros,
    turns: (find) => find("enqueue-journal")?.turns.map(({ flatOut }) => flatOut.p999Micros) ?? [],
    limit: 1000,
    side: "below",
    unit: " µs",
  },
];

/** Like with like, though no bound is set for it: both make the span as well as deliver it. */
const comparisons = [
  {
    what: "CPU of @langfuse/otel 5 to that of startSpan…end (journal)",
    figure: cpuRatio("langfuse-otel", "start-span"),
  },
  { what: "CPU of langfuse 3 to that of startSpan…end (journal)", figure: cpuRatio("langfuse-3", "start-span") },
];

/** One line for each bound whose subjects ran, then the comparisons without a bound. */
export function boundLines({ subjects }: Pick<BenchResults, "subjects">): string[] {
  const find: Find = (name) => subjects.find((subject) => subject.name === name);
  const lines = bounds.flatMap((bound) => {
    const figure = bound.figure(find);
    return figure === undefined || Number.isNaN(figure) ? [] : [boundLine(bound, figure, bound.turns?.(find) ?? [])];
  });
  const remarks = comparisons.flatMap(({ what, figure }) => {
    const value = figure(find);
    return value === undefined ? [] : [`no bound: ${what}: ${value.toFixed(1)} ×`];
  });
  return [...lines, ...remarks];
}

function boundLine({ what, limit, side, unit, aim }: Bound, figure: number, turns: readonly number[]): string {
  const holds = (value: number): boolean =>
    side === "at most" ? value <= limit : side === "at least" ? value >= limit : value < limit;
  const broken = turns.filter((value) => !holds(value)).length;
  const inTurns =
    turns.length === 0
      ? ""
      : `; broken in ${broken} of ${turns.length} turns, worst ${Math.max(...turns).toFixed(2)}${unit}`;
  const aimed = aim === undefined ? "" : `, aim ${aim}${unit} ${figure <= aim ? "reached" : "not reached"}`;
  return `${holds(figure) ? "met" : "MISSED"}: ${what}: ${figure.toFixed(2)}${unit} (${side} ${limit}${unit}${aimed}${inTurns})`;
}
