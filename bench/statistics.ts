/**
 * The value below which that share of the values lies (nearest rank).
 *
 * @param sorted ascending, not empty.
 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.max(1, Math.ceil(sorted.length * share));
  return sorted[rank - 1] as number;
}

/** Of an even number of values the mean of the middle two; `NaN` of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Shares at which a latency curve is kept: even steps on a scale of nines, from 1% to 99.99%. */
export const curveShares: readonly number[] = [
  ...Array.from({ length: 18 }, (_, index) => 0.01 + index * 0.05),
  ...[1, 2, 3].flatMap((nines) => Array.from({ length: 9 }, (_, index) => 1 - 10 ** -nines * (1 - index / 10))),
  0.9999,
];

/** The values at `curveShares`. */
export function curveOf(sorted: ArrayLike<number>): number[] {
  return curveShares.map((share) => quantile(sorted, share));
}
