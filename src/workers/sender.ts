import { LatencyHistogram } from "../buffer/latency-histogram.ts";
import type { SpanRun } from "../buffer/span-run.ts";
import type { Announcer } from "./announcer.ts";
import { type Batch, batchOf, halve, halveByBytes, packBatch } from "./batch.ts";
import { BatchSize } from "./batch-size.ts";
import { Circuit } from "./circuit.ts";
import type { ExportPool } from "./export-pool.ts";
import type { Destination, ExportReport, PumpSetup, SpanVerdict } from "./messages.ts";
import type { Store } from "./store.ts";

/** A batch that failed rests before it is sent again, doubling from here to a minute, while others take their turn. */
const firstRestMs = 500;
const maxRestMs = 60_000;

/** While there is backfill, so many batches of new spans go before one of it: it keeps a quarter of the sending (P11). */
const liveBatchesInARow = 3;

export type SenderSetup = Pick<
  PumpSetup,
  | "destination"
  | "baseUrl"
  | "transport"
  | "sender"
  | "compression"
  | "batchSize"
  | "maxBatchBytes"
  | "flushIntervalMs"
  | "exportConcurrency"
  | "exportTimeoutMs"
  | "maxMemoryBytes"
>;

/**
 * Forms batches, hands them to the export threads and applies what comes back (the table of `ExportVerdict`). Batches
 * that come back unfinished go before new ones.
 */
export class Sender {
  readonly circuit: Circuit = new Circuit();
  readonly exportMicros: LatencyHistogram = new LatencyHistogram();
  readonly #setup: SenderSetup;
  readonly #store: Store;
  readonly #pool: Pick<ExportPool, "send">;
  readonly #announcer: Announcer;
  readonly #onReport: () => void;
  readonly #size: BatchSize;
  readonly #inFlight = new Set<Batch>();
  #inFlightBytes = 0;
  #returned: Batch[] = [];
  #liveInARow = 0;
  #transport: PumpSetup["transport"];
  #changedTransportSinceSuccess = false;
  /** Somebody waits for delivery: no batch waits to be full. */
  isUrgent = false;
  /** The caller's event loop is late: it gets the core, and exports one slot and small batches. */
  isCallerLate = false;

  /** @param onReport called after each report has been applied. */
  constructor(
    setup: SenderSetup,
    store: Store,
    pool: Pick<ExportPool, "send">,
    announcer: Announcer,
    onReport: () => void,
  ) {
    this.#setup = setup;
    this.#store = store;
    this.#pool = pool;
    this.#announcer = announcer;
    this.#onReport = onReport;
    this.#transport = setup.transport;
    this.#size = new BatchSize(setup);
    if (setup.destination === undefined) {
      this.circuit.holdForever();
      announcer.say(
        "keys-missing",
        "warn",
        "no Langfuse keys: spans are kept in the journal until LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY (or the options publicKey and secretKey) are set",
      );
    }
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** Of the batches under way. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Are at least half of the slots free? */
  get isIdling(): boolean {
    return this.#inFlight.size * 2 <= this.#slots;
  }

  /** Spans that are handed out and not yet done. */
  *handedOut(): Generator<SpanRun> {
    for (const batch of this.#inFlight) yield* batch.runs;
    for (const batch of this.#returned) yield* batch.runs;
  }

  /** When the oldest span handed out was accepted, and its id; both infinite when there is none. */
  oldestHandedOut(): { id: number; acceptedAtMs: number } {
    const oldest = { id: Number.POSITIVE_INFINITY, acceptedAtMs: Number.POSITIVE_INFINITY };
    for (const run of this.handedOut()) {
      oldest.id = Math.min(oldest.id, run.firstId);
      oldest.acceptedAtMs = Math.min(oldest.acceptedAtMs, run.acceptedAtMs);
    }
    return oldest;
  }

  /** Sends as many batches as may go now. */
  dispatch(): void {
    const { destination } = this.#setup;
    if (destination === undefined) return;
    if (this.isCallerLate) this.#size.reset();
    this.#size.settle(this.#store.waiting, this.#slots);
    while (this.circuit.allowance(this.#inFlight.size, this.#slots) > 0) {
      const batch = this.#nextBatch();
      if (batch === undefined) return;
      this.#inFlight.add(batch);
      this.#inFlightBytes += batch.bytes;
      void this.#send(batch, destination);
    }
  }

  /** Somebody waits: what rests after a failure is tried once more now. */
  hurry(): void {
    this.circuit.hurry();
    for (const batch of this.#returned) batch.notBeforeMs = 0;
  }

  /** When `dispatch` may have something to do again (`performance.now()`), if nothing else happens before. */
  nextDeadlineMs(): number {
    const isSending = this.circuit.state === "sending";
    const isFull = this.#inFlight.size >= this.#slots || this.#size.roomBytes(this.#inFlightBytes) === 0;
    const isProbing = !isSending && this.#inFlight.size > 0;
    // The next report wakes the pump.
    if ((isSending && isFull) || isProbing) return Number.POSITIVE_INFINITY;
    let deadlineMs = this.#windowDeadlineMs();
    for (const batch of this.#returned) deadlineMs = Math.min(deadlineMs, batch.notBeforeMs);
    return Math.max(deadlineMs, this.circuit.untilMs);
  }

  get #slots(): number {
    return this.isCallerLate ? 1 : this.#setup.exportConcurrency;
  }

  #windowDeadlineMs(): number {
    const { backfill, oldest } = this.#store.window;
    if (this.#isLiveDue() || !backfill.isEmpty) return 0;
    if (oldest === undefined) return Number.POSITIVE_INFINITY;
    return performance.now() + this.#setup.flushIntervalMs - Math.max(0, Date.now() - oldest.acceptedAtMs);
  }

  #nextBatch(): Batch | undefined {
    const nowMs = performance.now();
    const index = this.#returned.findIndex((batch) => batch.notBeforeMs <= nowMs);
    if (index >= 0) {
      const { bytes } = this.#returned[index] as Batch;
      return this.#size.mayAdd(bytes, this.#inFlightBytes) ? this.#returned.splice(index, 1)[0] : undefined;
    }
    // Batches that rest are in memory too: while they fill it, nothing is added to them.
    if (this.#restingBytes() >= this.#setup.maxMemoryBytes / 4) return undefined;
    const roomBytes = this.#size.roomBytes(this.#inFlightBytes);
    if (roomBytes === 0) return undefined;
    const runs = this.#nextRuns(this.#size.maxSpans, roomBytes);
    return runs.length > 0 ? batchOf(runs) : undefined;
  }

  /** New spans before old ones (P11), but for the share that the old ones keep. */
  #nextRuns(maxSpans: number, maxBytes: number): SpanRun[] {
    const isLiveDue = this.#isLiveDue();
    const isBackfill = !this.#store.window.backfill.isEmpty;
    if (isBackfill && (!isLiveDue || this.#liveInARow >= liveBatchesInARow)) {
      this.#liveInARow = 0;
      const runs = this.#store.takeBackfill(maxSpans, maxBytes);
      if (runs.length > 0) return runs;
    }
    if (!isLiveDue) return [];
    if (isBackfill) this.#liveInARow++;
    return this.#store.takeLive(maxSpans, maxBytes);
  }

  #restingBytes(): number {
    return this.#returned.reduce((sum, batch) => sum + batch.bytes, 0);
  }

  /** Is the live lane's next batch full, old enough, or wanted? */
  #isLiveDue(): boolean {
    const { count, bytes, oldest } = this.#store.window;
    if (oldest === undefined) return false;
    if (this.isUrgent || count >= this.#setup.batchSize || bytes >= this.#size.maxBytes) return true;
    return Date.now() - oldest.acceptedAtMs >= this.#setup.flushIntervalMs;
  }

  async #send(batch: Batch, destination: Destination): Promise<void> {
    const { sender, compression, exportTimeoutMs } = this.#setup;
    const { payloads, lengths } = packBatch(batch);
    if (batch.failures > 0) this.#store.counters.resent += batch.count;
    const sentAtMs = performance.now();
    const report = await this.#pool.send({
      destination,
      transport: this.#transport,
      sender,
      compression,
      payloads,
      lengths,
      timeoutMs: exportTimeoutMs,
    });
    // The journal is closed: the spans stay in it and are sent again at the next start.
    if (this.circuit.state === "stopped") return;
    this.#inFlight.delete(batch);
    this.#inFlightBytes -= batch.bytes;
    this.exportMicros.record((performance.now() - sentAtMs) * 1000);
    this.#store.counters.truncated += report.truncated;
    this.#apply(batch, report, sentAtMs);
    this.#onReport();
  }

  #apply(batch: Batch, report: ExportReport, sentAtMs: number): void {
    const reason = report.reason ?? report.verdict;
    if (report.verdict !== "acknowledged") this.#announcer.lastError(reason);
    switch (report.verdict) {
      case "acknowledged":
        this.#store.acknowledge(batch.runs);
        this.#succeed(sentAtMs);
        return;
      case "per-span":
        this.#applyEach(batch, report.spans ?? [], sentAtMs);
        return;
      case "rejected":
        // The server answered and is well; only these spans are at fault.
        this.circuit.succeed(sentAtMs);
        if (batch.count === 1) this.#store.bury(batch.runs, report.status, reason);
        else this.#returned.unshift(...halve(batch));
        return;
      case "too-large":
        this.circuit.succeed(sentAtMs);
        if (batch.count === 1) this.#store.bury(batch.runs, report.status, reason);
        else {
          this.#size.tooLarge(batch.bytes);
          this.#returned.unshift(...halveByBytes(batch));
        }
        return;
      case "hold":
        this.circuit.hold();
        this.#giveBack(batch);
        this.#announcer.say("held", "warn", `Langfuse refuses the keys, spans are kept: ${reason}`);
        return;
      case "wait":
        this.circuit.wait(report.retryAfterMs ?? 1_000);
        this.#giveBack(batch);
        return;
      case "retry":
        this.#fail(batch, reason, sentAtMs);
        return;
      case "change-transport":
        this.#changeTransport(batch, report, reason, sentAtMs);
        return;
    }
  }

  /** A 207: each span has its own verdict. */
  #applyEach(batch: Batch, verdicts: readonly SpanVerdict[], sentAtMs: number): void {
    const acknowledged: SpanRun[] = [];
    const again: SpanRun[] = [];
    let held: string | undefined;
    for (const [index, span] of spansOf(batch).entries()) {
      const { outcome, status, reason }: SpanVerdict = verdicts[index] ?? { outcome: "retry" };
      if (outcome === "acknowledged") acknowledged.push(span);
      else if (outcome === "rejected") this.#store.bury([span], status, reason ?? "rejected");
      else again.push(span);
      if (outcome === "hold") held = reason ?? "keys refused";
    }
    if (acknowledged.length > 0) this.#store.acknowledge(acknowledged);
    if (again.length === 0) {
      this.#succeed(sentAtMs);
      return;
    }
    const rest = batchOf(again, batch.failures + 1);
    if (held !== undefined) {
      this.circuit.hold();
      this.#announcer.say("held", "warn", `Langfuse refuses the keys, spans are kept: ${held}`);
      this.#returned.push(rest);
    } else if (acknowledged.length === 0) {
      this.#fail({ ...rest, failures: batch.failures }, "every span of the batch failed", sentAtMs);
    } else {
      this.#succeed(sentAtMs);
      this.#rest(rest);
    }
  }

  #succeed(sentAtMs: number): void {
    this.#changedTransportSinceSuccess = false;
    this.circuit.succeed(sentAtMs);
    // An older request, sent before the trouble, proves nothing.
    if (this.circuit.state !== "sending") return;
    this.#size.succeeded(this.#store.waiting, this.#slots);
    this.#announcer.lastError(undefined);
    this.#announcer.reset("held");
  }

  #fail(batch: Batch, reason: string, sentAtMs: number): void {
    this.circuit.fail(sentAtMs);
    this.#giveBack(batch);
    this.#announcer.say(
      "away",
      "warn",
      `Langfuse at ${this.#setup.baseUrl} cannot take spans, they are kept: ${reason}`,
    );
  }

  #giveBack(batch: Batch): void {
    batch.failures++;
    this.#size.reset();
    this.#rest(batch);
    // Durability `overflow` promises the disk as soon as Langfuse is away.
    this.#store.journalAll(this.handedOut());
  }

  /** Behind all others and for a while: a batch that the server can never take must not block them. */
  #rest(batch: Batch): void {
    batch.notBeforeMs = performance.now() + Math.min(maxRestMs, firstRestMs * 2 ** (batch.failures - 1));
    this.#returned.push(batch);
  }

  #changeTransport(batch: Batch, report: ExportReport, reason: string, sentAtMs: number): void {
    const isLate = report.transport === undefined || report.transport === this.#transport;
    const isSecondChange = !isLate && this.#changedTransportSinceSuccess;
    if (!isLate) {
      this.#transport = report.transport ?? this.#transport;
      this.#changedTransportSinceSuccess = true;
    }
    if (isSecondChange) {
      // Each route sends us to the other: an outage by another name. Go on in turns, but slowly.
      this.#fail(batch, `neither route takes spans: ${reason}`, sentAtMs);
      return;
    }
    this.#returned.unshift(batch);
    if (!isLate) this.#announcer.say("transport", "info", `changed to the ${this.#transport} route: ${reason}`);
  }
}

/** Each span as a run of its own. */
function spansOf(batch: Batch): SpanRun[] {
  return batch.runs.flatMap((run) => Array.from({ length: run.count }, (_, index) => run.slice(index, index + 1)));
}
