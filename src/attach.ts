import { BroadcastChannel, MessageChannel, postMessageToThread, threadId } from "node:worker_threads";
import type { Lifeline, RingAnnouncement, ThreadNotice } from "./attached-rings.ts";
import { AttachedScores, type AttachedScoreStats } from "./attached-scores.ts";
import { AttachedIntake } from "./buffer/attached-intake.ts";
import type { ProducerDrops } from "./buffer/attached-link.ts";
import { CrashLog } from "./buffer/crash-log.ts";
import { createRingMemory } from "./buffer/ring.ts";
import { newAttachedRingId } from "./buffer/ring-id.ts";
import { noDestination, type SpanDestination } from "./destination.ts";
import { type HandleTarget, type SpanBufferHandle, targetOf } from "./handle.ts";
import { callerMask } from "./mask/rule-mask.ts";
import { type ExitParticipant, joinExit, leaveExit } from "./process-exit.ts";
import { defaultFlushTimeoutMs, limitOf, pause } from "./time-limit.ts";
import { Tracer } from "./tracing/tracer.ts";
import { TracingCalls } from "./tracing/tracing-calls.ts";

/** How often those who wait look again. */
const pollMs = 5;

/** `accepted = committed + waiting + the sum of dropped`. */
export interface AttachedStats {
  /** Spans handed over in this thread. */
  accepted: number;
  /** Taken by the pump: what became of them is in the `stats()` of the buffer. */
  committed: number;
  /** In this thread's ring, or in its memory beside it. */
  waiting: number;
  /** As in the buffer's `stats()`. */
  dropped: ProducerDrops;
  /** Spans that were cut to fit `maxSpanBytes`. */
  truncated: number;
  /** Calls of `end()` after the first. */
  endedTwice: number;
  /** Bytes in the ring. */
  ringBytes: number;
  /** Time that this thread spent on taking a span; one call in eight is measured. */
  enqueueMicros: { p50: number; p99: number; max: number };
  /** Scores given in this thread. */
  scores: AttachedScoreStats;
}

export interface AttachedFlushResult {
  /** The time limit came first, or the buffer was shut down meanwhile. */
  timedOut: boolean;
  /** As in `stats()`. */
  waiting: number;
}

/**
 * A thread's way into a buffer that another thread owns. Its tracing is the buffer's own. A score goes to that other thread by
 * a message, and is journalled there; `false` means that the buffer was shut down, or the trace is not in the sample.
 */
export interface AttachedBuffer
  extends Pick<SpanDestination, "startSpan" | "startActiveSpan" | "observe" | "observed" | "enqueue" | "score"> {
  /**
   * Resolves when all spans that any thread handed over before this call have been acknowledged or dead-lettered, or after
   * `timeoutMs` (default 30,000). Of scores only the buffer's own `flush()` knows.
   */
  flush(options?: { timeoutMs?: number }): Promise<AttachedFlushResult>;
  /** The figures of this thread. */
  stats(): AttachedStats;
  /**
   * Lets go of the buffer, for a thread that goes on without it: spans that end later are dropped, and counted. Resolves
   * when all before them is in the ring, from where the pump takes it whether the thread lives or not.
   */
  detach(): Promise<void>;
}

/**
 * Joins the buffer that another thread of this process owns: spans go by a ring of this thread's own to the buffer's pump,
 * without a message for each. When the thread ends, however it does, what is in the ring is delivered all the same.
 *
 * @param handle what `buffer.handle()` returned in the thread that owns it.
 * @throws TypeError for anything else.
 */
export function attach(handle: SpanBufferHandle): AttachedBuffer {
  const target = targetOf(handle);
  return target === undefined ? noAttachment : new Attachment(target);
}

class Attachment extends TracingCalls implements AttachedBuffer, ExitParticipant {
  readonly #sink: AttachedIntake;
  readonly #scores: AttachedScores;
  readonly #crashLog: CrashLog | undefined;
  readonly #endTimeoutMs: number;
  #isOver = false;

  constructor(target: HandleTarget) {
    const { channel, lead, ringBytes, maxSpanBytes, maxMemoryBytes, constants, sampleRate } = target;
    const mask = callerMask(target.mask);
    const ringId = newAttachedRingId(target.leadId);
    const memory = createRingMemory(ringBytes);
    const notify = holdLifeline(target, ringId);
    const crashLog = openCrashLog(target, ringId, () => sink.link.safe, notify);
    const sink = new AttachedIntake({ ring: memory, lead, maxSpanBytes, maxMemoryBytes, crashLog, mask });
    const scores = new AttachedScores(channel, sink.link, maxSpanBytes);
    super(new Tracer({ sink, scores, sampleRate, ...constants }));
    this.#sink = sink;
    this.#scores = scores;
    this.#crashLog = crashLog;
    this.#endTimeoutMs = target.endTimeoutMs;
    announce(channel, { id: ringId, memory });
    joinExit(this);
  }

  async flush(options: { timeoutMs?: number } = {}): Promise<AttachedFlushResult> {
    const { link, intake } = this.#sink;
    const deadlineMs = performance.now() + limitOf(options.timeoutMs, defaultFlushTimeoutMs);
    const request = link.wantFlush();
    intake.ring.wake();
    while (!link.isFlushed(request)) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0 || link.isBufferClosed || this.#isOver) return { timedOut: true, waiting: this.#sink.waiting };
      await pause(Math.min(pollMs, leftMs));
    }
    return { timedOut: false, waiting: this.#sink.waiting };
  }

  stats(): AttachedStats {
    const { waiting, intake } = this.#sink;
    const { accepted, dropped, truncated, enqueueMicros } = intake;
    const droppedSum = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    return {
      accepted,
      committed: accepted - droppedSum - waiting,
      waiting,
      dropped,
      truncated,
      endedTwice: this.tracer.endedTwice,
      ringBytes: intake.ring.occupiedBytes(),
      enqueueMicros,
      scores: this.#scores.stats(),
    };
  }

  async detach(): Promise<void> {
    const { intake, link } = this.#sink;
    intake.close();
    while (intake.overflowCount > 0 && !this.#isOver && !link.isBufferClosed) await pause(pollMs);
    this.#end();
  }

  beforeExit(): void {
    // The ring outlives the thread: there is nothing to wait for.
  }

  /** What waits beside the ring is this thread's memory, and goes with it. */
  exit(): void {
    const { intake } = this.#sink;
    intake.close();
    if (intake.overflowCount > 0) intake.drainBlocking(this.#endTimeoutMs);
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // The pump removes it, once it has what is in it.
    this.#crashLog?.leave();
    this.#scores.end();
    this.#sink.end();
    leaveExit(this);
  }
}

/** Returns what sends the owner a notice. Comes before the ring is announced: no ring may be without it. */
function holdLifeline(target: HandleTarget, ringId: string): (notice: ThreadNotice) => void {
  // The thread that owns the buffer outlives it.
  if (target.threadId === threadId) return () => undefined;
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  const lifeline: Lifeline = { channel: target.channel, ringId, port: port2 };
  // An owner that is gone has no use for it.
  postMessageToThread(target.threadId, lifeline, [port2]).catch(() => undefined);
  return (notice) => port1.postMessage(notice);
}

function announce(name: string, ring: RingAnnouncement): void {
  const channel = new BroadcastChannel(name);
  channel.postMessage(ring);
  channel.close();
}

function openCrashLog(
  { crashLog, maxMemoryBytes }: HandleTarget,
  ringId: string,
  safeSequence: () => number,
  notify: (notice: ThreadNotice) => void,
): CrashLog | undefined {
  if (crashLog === undefined) return undefined;
  return new CrashLog({
    ...crashLog,
    ringId,
    safeSequence,
    maxBytes: 2 * maxMemoryBytes,
    onNotice: (level, message) => notify({ level, message }),
  });
}

const noDrops: ProducerDrops = Object.freeze({ "memory-full": 0, "shut-down": 0, "sampled-out": 0 });

/** To a buffer with `enabled: false`. */
const noAttachment: AttachedBuffer = Object.freeze({
  ...noDestination,
  flush: async () => ({ timedOut: false, waiting: 0 }),
  stats: () => ({
    accepted: 0,
    committed: 0,
    waiting: 0,
    dropped: noDrops,
    truncated: 0,
    endedTwice: 0,
    ringBytes: 0,
    enqueueMicros: { p50: 0, p99: 0, max: 0 },
    scores: { accepted: 0, dropped: { "shut-down": 0, "sampled-out": 0 } },
  }),
  detach: async () => undefined,
});
