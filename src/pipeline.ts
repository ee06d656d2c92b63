import { randomUUID } from "node:crypto";
import process from "node:process";
import { AttachedRings } from "./attached-rings.ts";
import { createCounterMemory, SharedCounters } from "./buffer/counters.ts";
import { CrashLog } from "./buffer/crash-log.ts";
import { Intake } from "./buffer/intake.ts";
import { createRingMemory, ringCapacityBytes } from "./buffer/ring.ts";
import { newRingId } from "./buffer/ring-id.ts";
import { callerMask } from "./mask/rule-mask.ts";
import { DeadLetterBox } from "./dead-letters.ts";
import { checkAttachable, makeHandle, type SpanBufferHandle } from "./handle.ts";
import type { Logger, ResolvedOptions } from "./options.ts";
import { type ExitParticipant, joinExit, leaveExit } from "./process-exit.ts";
import { pipelineStats } from "./pipeline-stats.ts";
import { pumpSetup } from "./pump-setup.ts";
import { Settlement } from "./settlement.ts";
import { CommitWait } from "./commit-wait.ts";
import type { CommittingSink } from "./committing-sink.ts";
import type { SpanPayload } from "./buffer/span-payload.ts";
import type { FlushResult, SpanBufferStats } from "./stats.ts";
import { exportTaskUrl, pumpUrl } from "./thread-files.ts";
import { pause, within } from "./time-limit.ts";
import { FilteringSink } from "./tracing/filtering-sink.ts";
import type { ScoreEvent, ScoreSink } from "./tracing/score.ts";
import { TailSampler } from "./tracing/tail-sampler.ts";
import { type SpanSink, Tracer } from "./tracing/tracer.ts";
import type { AuthCheckResult } from "./workers/messages.ts";
import { PumpHandle } from "./workers/pump-handle.ts";

/** Share of a shutdown's time for delivery; the rest is for committing and closing. */
const deliveryShare = 0.7;

/** Of what is left after delivery: for requests under way to end, and for the whole of the closing. */
const graceShare = 0.5;
const closeShare = 0.8;

/** How often those who wait for the caller's own memory to empty look again. */
const pollMs = 5;

const stderrLogger: Logger = {
  warn(message) {
    process.stderr.write(`langfuse-span-buffer: ${message}\n`);
  },
};

export interface PipelineSetup {
  /** Of the destination, for notices; the buffer's own has none. */
  name?: string | undefined;
  /** Who delivers: the tasks `send` and `checkAuth` for what is stored here. Default: those for spans. */
  taskUrl?: URL;
  /** Where the tracer's scores go. Default: it takes none. */
  scores?: ScoreSink;
}

/**
 * The whole way of the spans of one destination: intake, ring, pump with its journal, export threads. Pipelines share
 * nothing, so what slows or breaks one does not reach another.
 */
export class Pipeline implements ExitParticipant, CommittingSink {
  readonly tracer: Tracer;
  readonly deadLetters: DeadLetterBox;
  readonly #options: ResolvedOptions;
  readonly #logger: Logger;
  readonly #intake: Intake;
  readonly #attached: AttachedRings;
  readonly #handle: SpanBufferHandle;
  readonly #counters: SharedCounters;
  readonly #commitWait: CommitWait;
  readonly #pump: PumpHandle;
  readonly #crashLog: CrashLog | undefined;
  readonly #settlement: Settlement;
  readonly #sampler: TailSampler | undefined;
  readonly #prefix: string;
  #shutdown: Promise<FlushResult> | undefined;
  #flushedAtExit = -1;

  constructor(options: ResolvedOptions, { name, taskUrl = exportTaskUrl, scores }: PipelineSetup = {}) {
    this.#options = options;
    this.deadLetters = new DeadLetterBox((command) => this.#pump.deadLetters(command), options.mask);
    this.#prefix = name === undefined ? "" : `destination ${name}: `;
    this.#logger = options.logger ?? stderrLogger;
    const ring = createRingMemory(ringCapacityBytes(options.ringBytes, options.maxSpanBytes));
    const counters = createCounterMemory();
    this.#counters = new SharedCounters(counters);
    this.#commitWait = new CommitWait(() => this.#counters.read(), options.overflowPolicy === "drop-newest");
    const ringId = newRingId();
    if (options.durability === "strict") this.#crashLog = this.#openCrashLog(ringId);
    const { maxSpanBytes, maxMemoryBytes } = options;
    const mask = options.maskJournal ? callerMask(options.mask) : undefined;
    this.#intake = new Intake({ ring, maxSpanBytes, maxMemoryBytes, crashLog: this.#crashLog, mask });
    const channel = randomUUID();
    this.#handle = makeHandle(options, ringId, ring, channel);
    this.#attached = new AttachedRings({
      channel,
      lead: ring,
      onRing: (attached) => this.#pump.attach(attached),
      onScore: (text) => scores?.offer(JSON.parse(text) as ScoreEvent),
      onNotice: (level, message) => this.#notice(level, message),
    });
    this.#pump = new PumpHandle({
      pumpUrl,
      setup: pumpSetup({ options, ring, counters, ringId, taskUrl }),
      ring: this.#intake.ring,
      attached: () => this.#attached.list,
      onDetached: (id, frames) => this.#attached.release(id, frames),
      onNotice: (level, message) => this.#notice(level, message),
      onJournal: (id) => {
        if (this.#crashLog !== undefined) this.#crashLog.journalId = id;
      },
    });
    this.#settlement = new Settlement({
      options,
      intake: this.#intake,
      attached: this.#attached,
      counters: this.#counters,
      pump: this.#pump,
      crashLog: this.#crashLog,
      warn: (message) => this.#notice("warn", message),
    });
    const { environment, release, serviceName } = options;
    if (options.sampling !== undefined && options.sampleRate < 1) {
      this.#sampler = new TailSampler(this.#intake, { ...options.sampling, sampleRate: options.sampleRate });
    }
    // With rules the sampler decides, in the tracer's place.
    const sampleRate = this.#sampler === undefined ? options.sampleRate : 1;
    this.tracer = new Tracer({
      sink: this.#sinkOf(options),
      scores: this.#scoresOf(scores),
      environment,
      release,
      serviceName,
      sampleRate,
    });
    joinExit(this);
  }

  offer(payload: SpanPayload): boolean {
    return this.tracer.offer(payload);
  }

  /** For `attach` in other threads. @throws TypeError when an option is set that their spans would not heed. */
  handle(): SpanBufferHandle {
    checkAttachable(this.#options);
    this.#attached.listen();
    return this.#handle;
  }

  /** Takes in what attached threads have announced and sent up to now, without waiting for the event loop. */
  collectAttached(): void {
    this.#attached.collect();
  }

  get sequence(): number {
    return this.#intake.ring.sequence + this.#intake.overflowCount;
  }

  get trouble(): string | undefined {
    if (this.#shutdown !== undefined) return "the buffer is shut down";
    if (this.#pump.isGivenUp) return this.#pump.lastError;
    const { taken, safe, unwritable } = this.#counters.read();
    if (unwritable > 0 || safe < taken) return this.#pump.lastError ?? "the journal cannot be written";
    return undefined;
  }

  whenCommitted(sequence: number, limitMs: number): Promise<boolean> {
    return this.#commitWait.wait(sequence, limitMs);
  }

  async flush(timeoutMs: number): Promise<FlushResult> {
    const isDone = await within(timeoutMs, (signal) => this.#deliver(signal));
    return this.#result(!isDone);
  }

  shutdown(timeoutMs: number): Promise<FlushResult> {
    this.#shutdown ??= this.#shutDown(timeoutMs);
    return this.#shutdown;
  }

  async authCheck(): Promise<AuthCheckResult> {
    const { publicKey = "", secretKey = "", baseUrl, exportTimeoutMs } = this.#options;
    const timeoutMs = Math.min(exportTimeoutMs, 10_000);
    return await this.#pump.checkAuth({ destination: { baseUrl, publicKey, secretKey }, timeoutMs });
  }

  stats(): SpanBufferStats {
    return pipelineStats({
      // Before those of attached threads, which count on meanwhile (attached-link.ts).
      counters: this.#counters.read(),
      intake: this.#intake,
      attached: this.#attached.figures(),
      undecidedCount: this.#sampler?.count ?? 0,
      endedTwice: this.tracer.endedTwice,
      pump: this.#pump,
    });
  }

  /** Where finished spans go first; straight to the intake for who asks for nothing else. */
  #sinkOf({ shouldExportSpan }: ResolvedOptions): SpanSink {
    const sink = this.#sampler ?? this.#intake;
    if (shouldExportSpan === undefined) return sink;
    return new FilteringSink(sink, this.#intake, shouldExportSpan, (message) => this.#notice("warn", message));
  }

  /** With rules a score goes unless its trace was left out: then there is nothing that it would be of. */
  #scoresOf(scores: ScoreSink | undefined): ScoreSink | undefined {
    const sampler = this.#sampler;
    if (sampler === undefined || scores === undefined) return scores;
    return {
      offer: (event) => (sampler.hasLeftOut(event.body["traceId"]) ? scores.sampleOut() : scores.offer(event)),
      sampleOut: () => scores.sampleOut(),
    };
  }

  /** A script's loop has run empty: its spans get a chance to arrive, once for each set of them. */
  beforeExit(): void {
    if (this.#flushedAtExit === this.#intake.accepted || this.#shutdown !== undefined) return;
    this.#flushedAtExit = this.#intake.accepted;
    if (this.stats().pending > 0) void within(this.#options.shutdownTimeoutMs * deliveryShare, this.#deliverAtExit);
  }

  exit(): void {
    this.#sampler?.close();
    this.#intake.close();
    this.#attached.close();
    this.#settlement.settle(this.#options.shutdownTimeoutMs * (1 - deliveryShare));
  }

  readonly #deliverAtExit = async (signal: AbortSignal): Promise<void> => {
    const delivered = this.#deliver(signal);
    // In an outage there is nothing to wait for: the spans are in the journal.
    for (let isOver = false; !isOver && !signal.aborted; ) {
      isOver = await Promise.race([
        delivered.then(() => true),
        pause(pollMs).then(() => this.stats().state !== "sending"),
      ]);
    }
  };

  /** Resolves when everything accepted so far is delivered or dead, or the signal comes. */
  async #deliver(signal: AbortSignal): Promise<void> {
    this.#sampler?.decideEnded();
    // A thread may have attached since the event loop last turned.
    this.#attached.collect();
    const wanted = this.#intake.overflowCount;
    // What waits beside the ring must be in it before the pump can be asked to deliver it.
    const through = this.#intake.ring.sequence + wanted;
    while (this.#intake.ring.sequence < through && !signal.aborted) await pause(pollMs);
    if (!signal.aborted) await this.#pump.flush(signal);
  }

  async #shutDown(timeoutMs: number): Promise<FlushResult> {
    this.#sampler?.close();
    this.#intake.close();
    this.#attached.close();
    const deadlineMs = performance.now() + timeoutMs;
    // Of a pump that crashes again and again nothing is to be expected: the spill file is for that.
    const isHopeless = this.#pump.isGivenUp;
    const isDelivered = !isHopeless && (await within(timeoutMs * deliveryShare, (signal) => this.#deliver(signal)));
    const leftMs = Math.max(0, deadlineMs - performance.now());
    const isClosed = !isHopeless && (await within(leftMs * closeShare, () => this.#pump.close(leftMs * graceShare)));
    const isOwnTaken = this.#intake.overflowCount === 0 && this.#intake.ring.occupiedBytes() === 0;
    const isAllTaken = isOwnTaken && this.#attached.isEmpty;
    if (!isClosed || !isAllTaken) this.#settlement.settle(Math.max(0, deadlineMs - performance.now()));
    else this.#settlement.endCrashLogs();
    this.#pump.end();
    leaveExit(this);
    return this.#result(!isDelivered);
  }

  #openCrashLog(ringId: string): CrashLog {
    const { crashLogDirectory, baseUrl, publicKey, maxMemoryBytes } = this.#options;
    return new CrashLog({
      directory: crashLogDirectory,
      ringId,
      owner: { baseUrl, publicKey },
      safeSequence: () => this.#counters.read().safe,
      maxBytes: 2 * maxMemoryBytes,
      onNotice: (level, message) => this.#notice(level, message),
    });
  }

  #result(timedOut: boolean): FlushResult {
    const { acknowledged, pending, deadLettered, dropped } = this.stats();
    const droppedSum = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    return { acknowledged, pending, deadLettered, dropped: droppedSum, timedOut };
  }

  #notice(level: "info" | "warn", message: string): void {
    try {
      if (level === "warn") this.#logger.warn(this.#prefix + message);
      else this.#logger.info?.(this.#prefix + message);
    } catch {
      // The host's logger must not become the host's crash.
    }
  }
}
