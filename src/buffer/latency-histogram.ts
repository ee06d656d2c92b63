const subBuckets = 16;
const octaves = 40;

/**
 * A histogram of durations with 16 buckets an octave (values are right within about 6%) and no allocation: one
 * `record` is a logarithm by bit count and an increment. The unit is the caller's; 1 is the smallest step told apart.
 */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(subBuckets * octaves);
  #total = 0;
  #max = 0;

  record(value: number): void {
    const whole = value > 0 ? (value < 0x7fffffff ? value | 0 : 0x7fffffff) : 0;
    this.#counts[bucketOf(whole)]!++;
    this.#total++;
    if (value > this.#max) this.#max = value;
  }

  get max(): number {
    return this.#max;
  }

  /** The value below which the given share (0 … 1) of all records lies; 0 when there are none. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.#total * share));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] as number;
      if (this.#total > 0 && seen >= wanted) return Math.min(upperBoundOf(bucket), this.#max);
    }
    return 0;
  }
}

function bucketOf(value: number): number {
  if (value < subBuckets) return value;
  const octave = 31 - Math.clz32(value) - 4;
  return (octave + 1) * subBuckets + ((value >>> octave) - subBuckets);
}

function upperBoundOf(bucket: number): number {
  if (bucket < subBuckets) return bucket + 1;
  const octave = Math.floor(bucket / subBuckets) - 1;
  return (subBuckets + (bucket % subBuckets) + 1) * 2 ** octave;
}
