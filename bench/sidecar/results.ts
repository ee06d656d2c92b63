/** What a run has found. */
import type { Machine } from "../machine.ts";
import type { Latencies } from "./load-job.ts";
import type { Cell } from "./plan.ts";
import type { Memory } from "./process-account.ts";
import type { SubjectName } from "./subjects.ts";

export interface Row {
  cell: Cell;
  subject: SubjectName;
  requestsPerSecond: number;
  spansPerSecond: number;
  /** Answers with a 2xx: what the latencies rest on. */
  answers: number;
  latencies: Latencies | undefined;
  /** Other answers, and requests without one, by status or cause. */
  failures: Record<string, number>;
  meanBodyBytes: number;
  /** Of all threads, from the first request until everything that was accepted is at the sink, over the spans accepted. */
  cpuMicrosPerSpan: number;
  /** The same by kind of thread; of the sidecar only. */
  threadMicrosPerSpan: Record<string, number>;
  /** CPU in use during the load, in cores. */
  subjectCores: number;
  generatorCores: number;
  sinkCores: number;
  /** Accepted, and not at the sink when the load ended. */
  spansLeft: number;
  /** At the sink in the end, of those accepted; each once is 1. `NaN` for those that deliver nothing. */
  arrivedShare: number;
  memory: Memory;
}

export interface SidecarResults {
  machine: Machine;
  /** Undefined: it did not run. */
  collectorVersion: string | undefined;
  startedAt: string;
  seconds: number;
  isQuick: boolean;
  loadAverage: { atStart: number; atEnd: number };
  /** Median of an fsync after a write of 4 KiB into the folder of the journals, in milliseconds. */
  fsyncMs: number;
  measuredSeconds: number;
  warmUpSeconds: number;
  rows: Row[];
  /** Subjects that cannot run here, with the reason. */
  notRun: { subject: SubjectName; reason: string }[];
  failures: { cell: Cell; subject: SubjectName; reason: string }[];
}

export function findRow(rows: readonly Row[], cell: Cell, subject: SubjectName): Row | undefined {
  return rows.find((row) => row.subject === subject && isSameCell(row.cell, cell));
}

function isSameCell(one: Cell, other: Cell): boolean {
  return (
    one.spansPerRequest === other.spansPerRequest &&
    one.encoding === other.encoding &&
    one.connections === other.connections
  );
}

export function spansPerCpuSecond({ cpuMicrosPerSpan }: Row): number {
  return 1e6 / cpuMicrosPerSpan;
}
