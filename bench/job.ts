/** What the runner and a subject's process say to each other. */
import type { SpanKind } from "./span.ts";
import type { Subject, SubjectContext } from "./subject.ts";

/** Modules in bench/measures. */
export type MeasureName =
  | "busy-bot"
  | "delivery"
  | "drain"
  | "exit"
  | "flush"
  | "hot-path"
  | "memory"
  | "outage"
  | "recover"
  | "start";

/** The only argument of a subject's process, as JSON. */
export interface Job {
  measure: MeasureName;
  /** Module in bench/subjects. */
  file: string;
  context: SubjectContext;
  kind: SpanKind;
  spans: number;
  seed: number;
  parameters: Readonly<Record<string, number>>;
}

export type Figures = Record<string, number>;

export interface Measured {
  figures: Figures;
  /** Latency in microseconds at `curveShares`, for the chart. */
  curve?: number[];
}

/** The last message of a subject's process. */
export type JobOutcome =
  | { type: "measured"; measured: Measured }
  /** The subject cannot be made with these options by the version at hand. */
  | { type: "refused"; reason: string };

/** The subject is up and makes spans; only where the runner acts meanwhile. */
export interface ReadyMessage {
  type: "ready";
}

export type ProcessMessage = JobOutcome | ReadyMessage;

/** What a measure works with. */
export interface Bench {
  job: Job;
  /** Makes the subject. To be called once. */
  prepare: () => Subject<unknown>;
  /** What loading the subject's module took. */
  importMs: number;
  /** The value of a parameter. @throws Error when the trial does not give it. */
  parameter: (name: string) => number;
}

export type Measure = (bench: Bench) => Promise<Measured>;
