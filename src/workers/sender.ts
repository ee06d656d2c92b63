import { LatencyHistogram } from "../buffer/latency-histogram.ts";
import type { SpanRun } from "../buffer/span-run.ts";
import type { Announcer } from "./announcer.ts";
import { type Batch, batchOf, halve, halveByBytes, moveOut, packBatch, spansOf } from "./batch.ts";
import { BatchSize, type BatchSizeSetup } from "./batch-size.ts";
import { Circuit } from "./circuit.ts";
import { Concurrency } from "./concurrency.ts";
import type { ExportPool } from "./export-pool.ts";
import { Lanes } from "./lanes.ts";
import type { Destination, ExportReport, PumpSetup, SpanVerdict } from "./messages.ts";
import { ReturnedBatches } from "./returned-batches.ts";
import { SenderNotices } from "./sender-notices.ts";
import type { AcceptedSpan } from "./oldest-pending.ts";
import type { Store } from "./store.ts";

export type SenderSetup = Pick<
  PumpSetup,
  | "destination"
  | "baseUrl"
  | "transport"
  | "sender"
  | "compression"
  | "mask"
  | "media"
  | "batchSize"
  | "maxBatchBytes"
  | "flushIntervalMs"
  | "exportConcurrency"
  | "exportTimeoutMs"
  | "maxMemoryBytes"
> &
  Pick<BatchSizeSetup, "provenAfterMs">;

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
  readonly #notices: SenderNotices;
  readonly #onReport: () => void;
  readonly #size: BatchSize;
  readonly #lanes: Lanes;
  readonly #concurrency: Concurrency;
  readonly #inFlight = new Set<Batch>();
  #inFlightBytes = 0;
  readonly #returned = new ReturnedBatches();
  #transport: PumpSetup["transport"];
  #changedTransportSinceSuccess = false;
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
    this.#notices = new SenderNotices(announcer, setup.baseUrl);
    this.#onReport = onReport;
    this.#transport = setup.transport;
    this.#size = new BatchSize(setup);
    this.#lanes = new Lanes(setup, store, this.#size);
    this.#concurrency = new Concurrency(setup.exportConcurrency);
    if (setup.destination === undefined) {
      this.circuit.holdForever();
      this.#notices.keysMissing();
    }
  }

  /** Somebody waits for delivery: no batch waits to be full. */
  set isUrgent(isUrgent: boolean) {
    this.#lanes.isUrgent = isUrgent;
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

  /** The oldest span that is handed out and not yet done. */
  oldestHandedOut(): AcceptedSpan | undefined {
    let oldest: SpanRun | undefined;
    for (const run of this.handedOut()) if (oldest === undefined || run.firstId < oldest.firstId) oldest = run;
    return oldest === undefined ? undefined : { id: oldest.firstId, acceptedAtMs: oldest.acceptedAtMs };
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
    this.#returned.hurry();
  }

  /** When `dispatch` may have something to do again (`performance.now()`), if nothing else happens before. */
  nextDeadlineMs(): number {
    const isSending = this.circuit.state === "sending";
    const isFull = this.#inFlight.size >= this.#slots || this.#size.roomBytes(this.#inFlightBytes) === 0;
    const isProbing = !isSending && this.#inFlight.size > 0;
    // The next report wakes the pump.
    if ((isSending && isFull) || isProbing) return Number.POSITIVE_INFINITY;
    return Math.max(Math.min(this.#lanes.dueAtMs, this.#returned.readyAtMs), this.circuit.untilMs);
  }

  get #slots(): number {
    return this.isCallerLate ? 1 : this.#concurrency.limit;
  }

  #nextBatch(): Batch | undefined {
    const returned = this.#returned.ready();
    if (returned !== undefined) {
      if (!this.#size.mayAdd(returned.bytes, this.#inFlightBytes)) return undefined;
      this.#returned.remove(returned);
      return returned;
    }
    // Batches that rest are in memory too: while they fill it, nothing is added to them.
    if (this.#returned.bytes >= this.#setup.maxMemoryBytes / 4) return undefined;
    const roomBytes = this.#size.roomBytes(this.#inFlightBytes);
    if (roomBytes === 0) return undefined;
    const runs = this.#lanes.take(this.#size.maxSpans, roomBytes);
    return runs.length > 0 ? batchOf(runs) : undefined;
  }

  async #send(batch: Batch, destination: Destination): Promise<void> {
    const { sender, compression, mask, media, exportTimeoutMs } = this.#setup;
    const { payloads, lengths } = packBatch(batch);
    if (batch.failures > 0) this.#store.counters.resent += batch.count;
    const sentAtMs = performance.now();
    const report = await this.#pool.send({
      destination,
      transport: this.#transport,
      sender,
      compression,
      mask,
      ...(media === undefined ? {} : { media }),
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
    if (report.notice !== undefined) this.#announcer.say("export", "warn", report.notice);
    if (report.verdict !== "acknowledged") this.#announcer.lastError(reason);
    switch (report.verdict) {
      case "acknowledged":
        this.#store.outcomes.acknowledge(batch.runs);
        this.#succeed(batch, sentAtMs);
        return;
      case "per-span":
        this.#applyEach(batch, report.spans ?? [], sentAtMs);
        return;
      case "rejected":
        // The server answered and is well; only these spans are at fault.
        this.circuit.succeed(sentAtMs);
        if (batch.count === 1) this.#store.outcomes.bury(batch.runs, report.status, reason);
        else this.#returned.addFirst(...halve(batch));
        return;
      case "too-large":
        this.circuit.succeed(sentAtMs);
        if (batch.count === 1) this.#store.outcomes.bury(batch.runs, report.status, reason);
        else {
          this.#size.tooLarge(batch.bytes);
          this.#returned.addFirst(...halveByBytes(batch));
        }
        return;
      case "hold":
        this.#hold(batch, reason, sentAtMs);
        return;
      case "wait":
        this.#wait(batch, report.retryAfterMs ?? 1_000, reason, sentAtMs);
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
    let failed = "every span of the batch failed";
    for (const [index, span] of spansOf(batch).entries()) {
      const { outcome, status, reason }: SpanVerdict = verdicts[index] ?? { outcome: "retry" };
      if (outcome === "acknowledged") acknowledged.push(span);
      else if (outcome === "rejected") this.#store.outcomes.bury([span], status, reason ?? "rejected");
      else again.push(span);
      if (outcome === "hold") held = reason ?? "keys refused";
      if (outcome === "retry" && reason !== undefined) failed = reason;
    }
    if (acknowledged.length > 0) this.#store.outcomes.acknowledge(acknowledged);
    if (again.length === 0) {
      this.#succeed(batch, sentAtMs);
      return;
    }
    const rest = batchOf(moveOut(again), batch.failures);
    if (held !== undefined) this.#hold(rest, held, sentAtMs);
    else if (acknowledged.length === 0) this.#fail(rest, failed, sentAtMs);
    else {
      this.#succeed(batch, sentAtMs);
      rest.failures++;
      this.#returned.rest(rest);
    }
  }

  #succeed(batch: Batch, sentAtMs: number): void {
    const wasTroubled = this.circuit.state !== "sending";
    this.#changedTransportSinceSuccess = false;
    this.circuit.succeed(sentAtMs);
    this.#concurrency.succeed(sentAtMs, batch.bytes);
    // An older request, sent before the trouble, proves nothing.
    if (this.circuit.state !== "sending") return;
    this.#size.succeeded(this.#store.waiting, this.#slots);
    this.#announcer.lastError(undefined);
    if (wasTroubled) this.#notices.back(this.#store.waiting);
  }

  /** An outage, by whatever name. */
  #fail(batch: Batch, reason: string, sentAtMs: number): void {
    this.circuit.fail(sentAtMs);
    this.#giveBack(batch, sentAtMs);
    this.#notices.away(reason);
  }

  #wait(batch: Batch, retryAfterMs: number, reason: string, sentAtMs: number): void {
    this.circuit.wait(retryAfterMs);
    this.#giveBack(batch, sentAtMs);
    this.#notices.pause(retryAfterMs, reason);
  }

  #hold(batch: Batch, reason: string, sentAtMs: number): void {
    this.circuit.hold();
    this.#giveBack(batch, sentAtMs);
    this.#notices.held(reason);
  }

  #giveBack(batch: Batch, sentAtMs: number): void {
    batch.failures++;
    this.#size.reset();
    this.#concurrency.fail(sentAtMs);
    this.#returned.rest(batch);
    // Durability `overflow` promises the disk as soon as Langfuse is away.
    this.#store.journalAll(this.handedOut());
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
    this.#returned.addFirst(batch);
    if (!isLate) this.#notices.changedTransport(this.#transport, reason);
  }
}
