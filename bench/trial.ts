/** What a trial is, what it gives, and what a runner works with. */
import type { GateOptions } from "./gate.ts";
import type { Figures, MeasureName } from "./job.ts";
import type { Sink } from "./sink-handle.ts";
import type { SpanKind } from "./span.ts";
import type { SubjectRow } from "./subjects.ts";

export interface Column {
  head: string;
  /** Name of a figure. */
  figure: string;
  /** Default: three digits that count. `share`: percent, rounded down. */
  form?: "share";
  /** Also show the lowest and the highest of the turns. */
  hasSpread?: boolean;
  /** Show the figure over that of this subject in the same turn. */
  over?: string;
  /** Show the figure less that of this subject in the same turn. */
  less?: string;
}

export interface Trial {
  /** For `--only` and the JSON. */
  name: string;
  title: string;
  /** One or two sentences on what is done, for the report. */
  note: string;
  runner: Runner;
  measure: MeasureName;
  kind: SpanKind;
  /** Names of subjects, in the order in which each turn runs them, with their spans. */
  subjects: Readonly<Record<string, number>>;
  /** Runs whenever the trial runs: others are held against it. */
  reference?: string;
  /** `--turns` may ask for less, not for more. */
  mostTurns: number;
  /** Beyond it no further turn is begun. */
  budgetSeconds: number;
  gate?: GateOptions;
  /** Subjects in `--quick`. */
  quickSubjects: readonly string[];
  parameters?: Readonly<Record<string, number>>;
  quickParameters?: Readonly<Record<string, number>>;
  /** Options of this package for this trial. */
  ourOptions?: Readonly<Record<string, number>>;
  /** Is OTel's queue as long as the run? By default it drops what is beyond 2,048 spans. */
  hasLongOtelQueue?: boolean;
  /** Each turn runs each subject so many times; the turn's figures are the medians. Default: 1. */
  repeats?: number;
  columns: readonly Column[];
}

/** The figures of one subject (and variant) in one turn. */
export interface Sample {
  turn: number;
  figures: Figures;
  curve?: number[];
}

export interface ResultRow {
  subject: string;
  title: string;
  /** What tells rows of one subject apart: a backlog, an outage. */
  variant?: string;
  samples: Sample[];
}

export interface TrialResult {
  name: string;
  title: string;
  note: string;
  turns: number;
  seconds: number;
  rows: ResultRow[];
  /** Subjects that the version at hand refuses, with its words. */
  notRun: { subject: string; reason: string }[];
  /** Subjects that failed. */
  failures: { subject: string; reason: string }[];
  /** Further lines for the report. */
  remarks: string[];
}

export interface RunnerContext {
  trial: Trial;
  /** The trial's subjects that are wanted, with their spans. */
  rows: readonly { subject: SubjectRow; spans: number }[];
  turns: number;
  isQuick: boolean;
  /** `parameters`, or in `--quick` over them `quickParameters`. */
  parameters: Readonly<Record<string, number>>;
  sink: Sink;
  /** Makes an empty folder; removed at the end of the run at the latest. */
  makeFolder: () => string;
  /** Progress, for people. */
  say: (what: string) => void;
}

export type Runner = (context: RunnerContext, results: ResultCollector) => Promise<void>;

/** Collects what a runner finds out. */
export interface ResultCollector {
  add: (subject: SubjectRow, variant: string | undefined, sample: Sample) => void;
  refuse: (subject: SubjectRow, reason: string) => void;
  fail: (subject: SubjectRow, reason: string) => void;
  remark: (line: string) => void;
  /** Has it been refused or has it failed? Then it is not tried again. */
  isOut: (subject: SubjectRow) => boolean;
  /** To be called at the end of each turn; false: no further one. */
  endTurn: (turn: number) => boolean;
}
