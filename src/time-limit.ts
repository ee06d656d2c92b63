/** The longest that a timer of Node's can be. */
const maxTimeoutMs = 2 ** 31 - 1;

/** Of `flush()`, in milliseconds. */
export const defaultFlushTimeoutMs = 30_000;

/** A time limit as it was meant: nothing or nonsense is the default, `Infinity` as long as a timer can run. */
export function limitOf(timeoutMs: number | undefined, fallbackMs: number): number {
  if (timeoutMs === undefined || Number.isNaN(timeoutMs)) return fallbackMs;
  return Math.min(maxTimeoutMs, Math.max(0, timeoutMs));
}
