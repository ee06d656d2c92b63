/** What the demo and its fleet process say to each other over the process channel, and the file between them. */
import type { SpanBufferStats } from "../../index.ts";

export interface FleetSetup {
  /** Undefined: without tracing, for comparison. */
  baseUrl: string | undefined;
  directory: string;
  publicKey: string;
  secretKey: string;
  conversations: number;
  batchSize: number;
  exportConcurrency: number;
  /**
   * A line `<span id> <milliseconds since 1970>` is appended after each `end()` has returned. The write reaches the
   * page cache before the next span, so the file is complete even when the process is killed.
   */
  endedFile: string;
}

export type FleetCommand = { type: "start"; setup: FleetSetup } | { type: "poison" } | { type: "finish" };

export interface FleetReport {
  type: "report";
  stats: SpanBufferStats;
  /** Durations of `end()` since the last report, in microseconds. */
  endMicros: number[];
  /** Since the process started, in milliseconds. */
  eventLoopDelayMs: { p99: number; max: number };
}

/** Everything is delivered (or the time is over) and the buffer is shut down. */
export interface FleetFinished {
  type: "finished";
}
