import { runWith } from "./context.ts";
import type { RecordingSpan } from "./recording-span.ts";

/**
 * Runs `fn` with the span active, and ends the span with it: when it returns, or when the promise that it returns is
 * settled. What it throws or rejects with is recorded, and passed on. `fn` may end the span itself.
 */
export function runActive<T>(span: RecordingSpan, fn: (span: RecordingSpan) => T): T {
  let result: T;
  try {
    result = runWith(span, () => fn(span));
  } catch (error) {
    span.fail(error);
    throw error;
  }
  const end = <Value>(value: Value): Value => {
    if (!span.isEnded) span.end();
    return value;
  };
  return isThenable(result) ? (settled(span, result, end) as T) : end(result);
}

/**
 * The promise, with `onValue` in between; a rejection fails the span. A successor is passed on and not the promise itself: a
 * handler of ours beside it would hide an unhandled rejection.
 */
export function settled(
  span: RecordingSpan,
  promise: PromiseLike<unknown>,
  onValue: (value: unknown) => unknown,
): Promise<unknown> {
  return Promise.resolve(promise).then(onValue, (error: unknown) => {
    span.fail(error);
    throw error;
  });
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    const { then } = value as Partial<PromiseLike<unknown>>;
    return typeof value === "object" && typeof then === "function";
  } catch {
    // Null, undefined, or a getter that throws.
    return false;
  }
}
