/**
 * Milliseconds of a clock that all threads share and that nobody sets, modulo 2^32. `performance.now()` begins anew in
 * each thread.
 */
export function monotonicMs(): number {
  const [seconds, nanos] = process.hrtime();
  return (seconds * 1000 + Math.floor(nanos / 1e6)) | 0;
}
