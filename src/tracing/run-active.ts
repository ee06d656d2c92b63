import { runWith } from "./context.ts";
import type { RecordingSpan } from "./recording-span.ts";

/**
 * Runs `fn` with the span active, and ends the span with it: when it returns, or when the promise that it returns is
 * settled. What it throws or rejects with is recorded, and passed on. `fn` may end the span itself.
 */
export function runActive<T>(span: RecordingSpan, fn: (span: RecordingSpan) => T): T {
  return settle(
    () => runWith(span, () => fn(span)),
    () => {
      if (!span.isEnded) span.end();
    },
    (error) => span.fail(error),
  );
}

/** Calls `fn`, then one of the other two: at once, or when its promise is settled. Passes result and error on. */
export function settle<T>(fn: () => T, onResult: (result: unknown) => void, onError: (error: unknown) => void): T {
  let result: T;
  try {
    result = fn();
  } catch (error) {
    onError(error);
    throw error;
  }
  if (!isThenable(result)) {
    onResult(result);
    return result;
  }
  // Its successor is passed on: were it the promise itself, ours would be the handler that hides an unhandled rejection.
  return Promise.resolve(result).then(
    (value) => {
      onResult(value);
      return value;
    },
    (error: unknown) => {
      onError(error);
      throw error;
    },
  ) as T;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    return (
      typeof value === "object" && value !== null && typeof (value as Partial<PromiseLike<unknown>>).then === "function"
    );
  } catch {
    return false;
  }
}
