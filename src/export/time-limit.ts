/**
 * One time limit over a whole exchange, from connecting to the last byte of the answer. The SDKs' own limits end at
 * the headers (`@langfuse/client`) or do not exist (`langfuse`), so a stalled body would hold a task for ever.
 */

/** setTimeout takes no more. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Runs `action` with a signal that is aborted after `limitMs`, and resolves to `onTimeout` then, even when the action
 * does not heed the signal. Rejects as the action does.
 */
export async function withinTimeLimit<Result, Fallback>(
  limitMs: number,
  onTimeout: Fallback,
  action: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | Fallback> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<Fallback>((resolve) => {
    timer = setTimeout(
      () => {
        // First the result, then the abort: what the aborted action makes of it comes too late to matter.
        resolve(onTimeout);
        controller.abort();
      },
      Math.min(Math.max(limitMs, 1), longestTimerMs),
    );
  });
  const running = action(controller.signal);
  running.catch(() => {
    // A rejection after the limit has no other listener.
  });
  try {
    return await Promise.race([running, limit]);
  } finally {
    clearTimeout(timer);
  }
}
