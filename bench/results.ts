/** What a run has found, and how figures are taken from it: medians over the turns, ratios within a turn. */
import type { Machine } from "./machine.ts";
import { median } from "./statistics.ts";
import type { ResultRow, Sample, TrialResult } from "./trial.ts";

export interface BenchResults {
  machine: Machine;
  startedAt: string;
  seconds: number;
  isQuick: boolean;
  loadAverage: { atStart: number; atEnd: number };
  /** CPU that the sink has used, of that a whole core could have given, 0 … 1. */
  sinkLoad: number;
  trials: TrialResult[];
}

/** A figure over the turns. */
export interface Spread {
  median: number;
  least: number;
  most: number;
  turns: number[];
}

export function spreadOf(turns: readonly number[]): Spread | undefined {
  const values = turns.filter((value) => !Number.isNaN(value));
  if (values.length === 0) return undefined;
  return { median: median(values), least: Math.min(...values), most: Math.max(...values), turns: values };
}

/** A row's figure. */
export function figureOf(row: ResultRow | undefined, figure: string): Spread | undefined {
  return spreadOf(row?.samples.map((sample) => sample.figures[figure] ?? Number.NaN) ?? []);
}

/** Combines a figure of two rows turn by turn: a machine that slows down between turns does not bend the result. */
export function pairedOf(
  row: ResultRow | undefined,
  other: ResultRow | undefined,
  combine: (value: number, otherValue: number) => number,
  figure: string,
  otherFigure: string = figure,
): Spread | undefined {
  const pairs = row?.samples.flatMap((sample): [Sample, Sample][] => {
    const partner = other?.samples.find(({ turn }) => turn === sample.turn);
    return partner === undefined ? [] : [[sample, partner]];
  });
  return spreadOf(
    pairs?.map(([one, two]) => combine(one.figures[figure] ?? Number.NaN, two.figures[otherFigure] ?? Number.NaN)) ??
      [],
  );
}

export function rowOf(trial: TrialResult | undefined, subject: string, variant?: string): ResultRow | undefined {
  return trial?.rows.find((row) => row.subject === subject && row.variant === variant);
}
