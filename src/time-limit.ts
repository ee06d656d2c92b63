/** The longest that a timer of Node's can be. */
const maxTimeoutMs = 2 ** 31 - 1;

/** Of `flush()`, in milliseconds. */
export const defaultFlushTimeoutMs = 30_000;

/** A time limit as it was meant: nothing or nonsense is the default, `Infinity` as long as a timer can run. */
export function limitOf(timeoutMs: number | undefined, fallbackMs: number): number {
  if (timeoutMs === undefined || Number.isNaN(timeoutMs)) return fallbackMs;
  return Math.min(maxTimeoutMs, Math.max(0, timeoutMs));
}

/** Runs the action at most so long. Returns whether it came to its end; the loop stays alive meanwhile. */
export async function within(timeoutMs: number, action: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => {
      controller.abort();
      resolve(false);
    }, timeoutMs);
  });
  try {
    return await Promise.race([action(controller.signal).then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
    // What the action left behind must not keep the process alive.
    controller.abort();
  }
}

/** Keeps the loop alive meanwhile. */
export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
