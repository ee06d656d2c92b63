import type { PumpState } from "../buffer/counters.ts";

const firstDelayMs = 1_000;
const maxDelayMs = 60_000;
/** Full jitter may draw 0; this keeps a probe from following at once. */
const minDelayMs = 50;
/** Refused keys are tried again so often. */
export const holdProbeMs = 60_000;

export interface CircuitClock {
  nowMs(): number;
  /** 0 … 1 */
  random(): number;
}

/**
 * May we send? One state for one destination; every change goes through `#enter`.
 *
 * | state | entered on | sends | left on |
 * |---|---|---|---|
 * | sending | start, success | up to the concurrency | failure, wait, hold |
 * | backing-off | failure (1 s … 60 s, doubling, full jitter), wait (as long as the server said) | one probe when the time is over | success |
 * | held | refused keys; no keys | one probe every 60 s; none without keys | success |
 */
export class Circuit {
  readonly #clock: CircuitClock;
  #state: PumpState = "sending";
  #untilMs = 0;
  #failures = 0;
  #changedAtMs = 0;
  /** The pause was the server's wish, or is for want of keys: nobody may shorten it. */
  #isFirm = false;

  constructor(clock: CircuitClock = { nowMs: () => performance.now(), random: Math.random }) {
    this.#clock = clock;
  }

  get state(): PumpState {
    return this.#state;
  }

  /** When a pause ends, on the circuit's clock; 0 while sending. */
  get untilMs(): number {
    return this.#state === "sending" ? 0 : this.#untilMs;
  }

  /** Requests that may start now, given how many are under way. */
  allowance(inFlight: number, concurrency: number): number {
    if (this.#state === "sending") return concurrency - inFlight;
    return this.#clock.nowMs() >= this.#untilMs && inFlight === 0 ? 1 : 0;
  }

  /** A batch that was sent at `sentAtMs` came through. */
  succeed(sentAtMs: number): void {
    // An older request proves nothing about the trouble that came up after it was sent.
    if (this.#state === "sending" || sentAtMs < this.#changedAtMs) return;
    this.#failures = 0;
    this.#enter("sending", 0, false);
  }

  /** A batch that was sent at `sentAtMs` failed as in an outage. */
  fail(sentAtMs: number): void {
    // The other requests of the same wave fail too; only the first of them counts.
    if (this.#state !== "sending" && sentAtMs < this.#changedAtMs) return;
    const cap = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    this.#enter("backing-off", Math.max(minDelayMs, cap * this.#clock.random()), false);
  }

  /** The server asked for a pause. */
  wait(retryAfterMs: number): void {
    this.#enter("backing-off", retryAfterMs, true);
  }

  /** The keys were refused. */
  hold(): void {
    this.#enter("held", holdProbeMs, false);
  }

  /** There are no keys. */
  holdForever(): void {
    this.#enter("held", Number.POSITIVE_INFINITY, true);
  }

  /** Somebody waits for delivery: probe now rather than when the backoff is over. */
  hurry(): void {
    if (this.#state !== "sending" && !this.#isFirm) this.#untilMs = Math.min(this.#untilMs, this.#clock.nowMs());
  }

  stop(): void {
    this.#enter("stopped", Number.POSITIVE_INFINITY, true);
  }

  #enter(state: PumpState, pauseMs: number, isFirm: boolean): void {
    if (this.#state === "stopped") return;
    this.#state = state;
    this.#changedAtMs = this.#clock.nowMs();
    this.#untilMs = this.#changedAtMs + pauseMs;
    this.#isFirm = isFirm;
  }
}
