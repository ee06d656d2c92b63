/**
 * Milliseconds of a clock that all threads share and that nobody sets. `performance.now()` begins anew in each thread,
 * and `Date.now()` jumps when the machine's clock is set.
 */
export function steadyMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1000 + nanos / 1e6;
}

/** The same in whole milliseconds modulo 2^32, for an `Int32Array`. */
export function monotonicMs(): number {
  return Math.floor(steadyMs()) | 0;
}
