/**
 * Times of one trace: monotonic, anchored to the wall clock when the trace begins here. So durations and the order of
 * spans are right even when the wall clock is set during a conversation, and a process that runs for weeks does not
 * drift away from it.
 */
export class TraceClock {
  readonly #wallMs: number = Date.now();
  readonly #monotonicMs: number = performance.now();

  /** When the trace began here; nanoseconds since 1970, decimal. */
  beginUnixNano(): string {
    return nanoText(this.#wallMs, 0);
  }

  /** Nanoseconds since 1970, decimal. */
  nowUnixNano(): string {
    const elapsedMs = performance.now() - this.#monotonicMs;
    const wholeMs = Math.floor(elapsedMs);
    return nanoText(this.#wallMs + wholeMs, Math.floor((elapsedMs - wholeMs) * 1e6));
  }

  /** ISO 8601, in milliseconds. */
  nowIso(): string {
    return new Date(this.#wallMs + performance.now() - this.#monotonicMs).toISOString();
  }
}

/** A moment as the caller may give it: a `Date`, or milliseconds since 1970 (fractions allowed). */
export type TimeInput = Date | number;

/** Nanoseconds since 1970, decimal; `undefined` for what is no moment after 1970. */
export function toUnixNano(time: TimeInput): string | undefined {
  const ms = typeof time === "number" ? time : time instanceof Date ? time.getTime() : Number.NaN;
  if (!Number.isFinite(ms) || ms < 0 || ms > maxMs) return undefined;
  const wholeMs = Math.floor(ms);
  return nanoText(wholeMs, Math.floor((ms - wholeMs) * 1e6));
}

/** The last moment that fits into OTLP's unsigned 64-bit nanoseconds, in milliseconds. */
const maxMs = 18_446_744_073_709;

/** The last millisecond that was asked for, as text: a busy bot's spans share them, and numbers are slow to print. */
let lastMs = -1;
let lastMsText = "";

function nanoText(ms: number, nanosOfMs: number): string {
  if (ms === 0) return String(nanosOfMs);
  if (ms !== lastMs) {
    lastMs = ms;
    lastMsText = String(ms);
  }
  return nanosOfMs === 0 ? `${lastMsText}000000` : lastMsText + String(1_000_000 + nanosOfMs).slice(1);
}
