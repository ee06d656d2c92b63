import type { AttachedFigures } from "./attached-rings.ts";
import { type Counters, type PumpState, pumpStates } from "./buffer/counters.ts";
import type { Intake } from "./buffer/intake.ts";
import { steadyMs } from "./buffer/monotonic-ms.ts";
import type { SpanBufferStats } from "./stats.ts";
import type { PumpHandle } from "./workers/pump-handle.ts";

export interface StatsSources {
  counters: Counters;
  intake: Intake;
  attached: AttachedFigures;
  /** Spans of traces that the rules of sampling have not decided yet. */
  undecidedCount: number;
  endedTwice: number;
  pump: PumpHandle;
}

/** The figures of one pipeline: those of the caller's end, of attached threads and of the pump, which together conserve. */
export function pipelineStats(sources: StatsSources): SpanBufferStats {
  const { counters, intake, attached, undecidedCount, endedTwice, pump } = sources;
  const dropped = { ...attached.dropped, filtered: intake.dropped.filtered };
  const attachedDropped = Object.values(attached.dropped).reduce((sum, count) => sum + count, 0);
  const attachedWaiting = attached.accepted - attachedDropped - counters.takenAttached;
  for (const reason of ["memory-full", "shut-down", "sampled-out"] as const) {
    dropped[reason] += intake.dropped[reason];
  }
  const stats: SpanBufferStats = {
    accepted: intake.accepted + attached.accepted + undecidedCount + counters.recovered,
    acknowledged: counters.acknowledged,
    pending: intake.waiting(counters.taken) + attachedWaiting + undecidedCount + counters.pending,
    deadLettered: counters.deadLettered,
    deadLetterBytes: counters.deadLetterBytes,
    deadLettersLeft: counters.deadLettersLeft,
    dropped: { ...dropped, "disk-full": counters.droppedDiskFull, damaged: counters.droppedDamaged },
    recovered: counters.recovered,
    truncated: intake.truncated + attached.truncated + counters.truncated,
    resent: counters.resent,
    endedTwice,
    ringBytes: intake.ring.occupiedBytes() + attached.ringBytes,
    journalSpans: counters.journalSpans,
    journalBytes: counters.journalBytes,
    oldestPendingAgeMs:
      counters.oldestPendingAtMs === 0 ? 0 : Math.max(0, Math.round(steadyMs() - counters.oldestPendingAtMs)),
    state: stateOf(pump, counters.state),
    enqueueMicros: intake.enqueueMicros,
    exportMs: { p50: counters.exportMsP50, p99: counters.exportMsP99 },
  };
  if (pump.lastError !== undefined) stats.lastError = pump.lastError;
  return stats;
}

/** The pump's own word, unless there is no pump to have one. */
function stateOf(pump: PumpHandle, index: number): PumpState {
  if (pump.isEnded) return "stopped";
  return pump.isRunning ? (pumpStates[index] ?? "stopped") : "backing-off";
}
