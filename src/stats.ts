import type { PumpState } from "./buffer/counters.ts";

/** `accepted = acknowledged + pending + deadLettered + the sum of dropped`, at every moment. */
export interface SpanBufferStats {
  /** Spans handed over, by attached threads too, and those that earlier processes left in the journal (`recovered`). */
  accepted: number;
  /** The server has them. */
  acknowledged: number;
  /** On their way: ring, memory, journal, requests under way. */
  pending: number;
  /** The server will never take them; they are kept with its reason. */
  deadLettered: number;
  /** Size of the table of dead letters, those of earlier processes included; see `maxDeadLetterBytes`. */
  deadLetterBytes: number;
  /** Dead letters that had to leave the table for newer ones; they still count as `deadLettered`. */
  deadLettersLeft: number;
  dropped: {
    /** The bounded memory beside the ring was full. */
    "memory-full": number;
    /** Ended after `shutdown()`. */
    "shut-down": number;
    /** Not in the sample (`sampleRate`), and kept by no rule (`sampling`). */
    "sampled-out": number;
    /** Excluded by `shouldExportSpan`. */
    filtered: number;
    /** Beyond `maxDiskBytes`. */
    "disk-full": number;
    /** Overwritten in shared memory. */
    damaged: number;
    /** Of an attached thread that was terminated: what it held beside its ring, and the span that it was at. */
    "thread-ended": number;
  };
  /** Found in the journal at start. */
  recovered: number;
  /** Spans that were cut to fit `maxSpanBytes` or the server's limit. */
  truncated: number;
  /** Spans that were sent again because nobody acknowledged them. */
  resent: number;
  /** Calls of `end()` after the first, in the buffer's own thread. */
  endedTwice: number;
  /** Bytes in the ring, and in those of attached threads. */
  ringBytes: number;
  journalSpans: number;
  /** Size of the journal file. */
  journalBytes: number;
  oldestPendingAgeMs: number;
  state: PumpState;
  /** The latest failure; absent while spans flow. */
  lastError?: string;
  /** Time that the buffer's own thread spent on taking a span; one call in eight is measured. */
  enqueueMicros: { p50: number; p99: number; max: number };
  /** Time of a batch from the pump to its outcome. */
  exportMs: { p50: number; p99: number };
  /** Of scores, which have a journal of their own; absent: there are none. All other figures are those of spans. */
  scores?: SpanBufferStats;
  /** With the option `destinations`: each one's own figures. All other figures are those of the buffer's own project. */
  destinations?: Record<string, SpanBufferStats>;
}

export interface FlushResult {
  acknowledged: number;
  pending: number;
  deadLettered: number;
  dropped: number;
  /** The time limit came first. */
  timedOut: boolean;
}

/** With `enabled: false`. */
export function disabledStats(): SpanBufferStats {
  return {
    accepted: 0,
    acknowledged: 0,
    pending: 0,
    deadLettered: 0,
    deadLetterBytes: 0,
    deadLettersLeft: 0,
    dropped: {
      "memory-full": 0,
      "shut-down": 0,
      "sampled-out": 0,
      filtered: 0,
      "disk-full": 0,
      damaged: 0,
      "thread-ended": 0,
    },
    recovered: 0,
    truncated: 0,
    resent: 0,
    endedTwice: 0,
    ringBytes: 0,
    journalSpans: 0,
    journalBytes: 0,
    oldestPendingAgeMs: 0,
    state: "stopped",
    enqueueMicros: { p50: 0, p99: 0, max: 0 },
    exportMs: { p50: 0, p99: 0 },
  };
}
