/** From the turns of all subjects to one row each: the median of each figure over the turns. */
import type { Measures } from "./drive.ts";
import type { Machine } from "./machine.ts";
import { median } from "./statistics.ts";
import type { TurnResult } from "./subject-process.ts";
import { floorName, type SubjectRow } from "./subjects.ts";

type Figure = Exclude<keyof Measures, "isUnsettled">;
export type Figures = Record<Figure, number>;

export interface SubjectSummary {
  name: string;
  title: string;
  note: string;
  flatOutSpans: number;
  flatOut: Figures;
  paced: Figures;
  /** CPU a span over the floor's of the same turn; the median over the turns. */
  cpuToFloor: number;
  /** Share of the flat-out spans that the sink has seen, in the turn that is furthest from 1; absent when none are sent. */
  arrivedShare?: number;
  /** Was work left in any turn after the time allowed for it? */
  isUnsettled: boolean;
  turns: TurnResult[];
}

export interface BenchResults {
  machine: Machine;
  startedAt: string;
  turns: number;
  loadAverage: { atStart: number; atEnd: number };
  subjects: SubjectSummary[];
  /** Subjects that did not run, with the reason. */
  failures: { name: string; reason: string }[];
}

const figures: readonly Figure[] = [
  "p50Micros",
  "p99Micros",
  "p999Micros",
  "maxMicros",
  "cpuMicrosPerSpan",
  "cpuMicrosPerSpanUntilLastCall",
  "processCpuMicrosPerSpan",
  "eventLoopDelayP99Ms",
  "spansPerSecond",
  "settleMs",
];

/**
 * @param turns the results of each turn by the subject's name. Turns without the floor count for the medians, but give
 * no ratio.
 */
export function summarise(
  row: SubjectRow,
  flatOutSpans: number,
  turns: readonly ReadonlyMap<string, TurnResult>[],
): SubjectSummary | undefined {
  const own = turns.map((turn) => turn.get(row.name)).filter((result) => result !== undefined);
  if (own.length === 0) return undefined;
  const ratios = turns.flatMap((turn) => {
    const result = turn.get(row.name);
    const floor = turn.get(floorName);
    if (result === undefined || floor === undefined) return [];
    return [result.flatOut.cpuMicrosPerSpan / floor.flatOut.cpuMicrosPerSpan];
  });
  const arrived = own.flatMap(({ arrivedSpans }) => (arrivedSpans === undefined ? [] : [arrivedSpans / flatOutSpans]));
  return {
    name: row.name,
    title: row.title,
    note: row.note,
    flatOutSpans,
    flatOut: mediansOf(own.map((result) => result.flatOut)),
    paced: mediansOf(own.map((result) => result.paced)),
    cpuToFloor: median(ratios),
    ...(arrived.length === 0 ? {} : { arrivedShare: furthestFromOne(arrived) }),
    isUnsettled: own.some(({ flatOut }) => flatOut.isUnsettled),
    turns: own,
  };
}

/** Not the median: spans lost in one turn of three are lost. */
function furthestFromOne(shares: readonly number[]): number {
  return shares.reduce((furthest, share) => (Math.abs(share - 1) > Math.abs(furthest - 1) ? share : furthest), 1);
}

function mediansOf(measures: readonly Measures[]): Figures {
  const entries = figures.map((figure) => [figure, median(measures.map((measure) => measure[figure]))]);
  return Object.fromEntries(entries) as Figures;
}
