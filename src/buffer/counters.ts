/**
 * The pump's figures in shared memory, so that `stats()` on the caller's thread is synchronous and consistent.
 *
 *     version (8 bytes) ┼ figures of even versions ┼ figures of odd versions
 *
 * One writer (the pump), any number of readers. The writer fills the place that is not in use, then stores the version
 * that names it: so counters that belong together (conservation, P2) change in one `publish`, and a pump that dies in
 * the middle of one leaves the figures before it whole. A reader that finds the same version before and after its copy
 * has a snapshot of one moment; with another, the writer may have begun to fill the place again.
 */
const counterNames = [
  /** Frames taken from the ring, damaged ones included. */
  "taken",
  /** Of them, those that need no crash log any more: in a journal that the next start finds, or delivered. */
  "safe",
  /** The same two of the rings of attached threads, all together, those that are gone included. */
  "takenAttached",
  "safeAttached",
  /** Spans found in the journal at start, from earlier processes. */
  "recovered",
  "acknowledged",
  "deadLettered",
  /** Among the pending: those whose outcome the commit under way is to record, for a pump that follows a crash in it. */
  "acknowledging",
  "burying",
  /** Bytes of the table of dead letters. */
  "deadLetterBytes",
  /** Dead letters that left it for newer ones. */
  "deadLettersLeft",
  /** Spans in the pump's care: journal rows and, with `overflow`, the window in memory. Counted row by row. */
  "pending",
  "droppedDiskFull",
  "droppedDamaged",
  "truncated",
  "resent",
  "journalSpans",
  "journalBytes",
  /** 1: new spans find no journal on a disk that takes them. */
  "unwritable",
  /** When the oldest pending span was accepted, on the clock of `steadyMs`; 0: none is pending. */
  "oldestPendingAtMs",
  /** Index in `pumpStates`. */
  "state",
  "exportMsP50",
  "exportMsP99",
] as const;

type CounterName = (typeof counterNames)[number];
export type Counters = Record<CounterName, number>;

export const pumpStates = ["sending", "backing-off", "held", "stopped"] as const;
export type PumpState = (typeof pumpStates)[number];

const versionBytes = 8;
const placeBytes = counterNames.length * Float64Array.BYTES_PER_ELEMENT;

export function createCounterMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(versionBytes + 2 * placeBytes);
}

export function zeroCounters(): Counters {
  return Object.fromEntries(counterNames.map((name) => [name, 0])) as Counters;
}

export class SharedCounters {
  readonly #version: Int32Array;
  readonly #places: readonly [Float64Array, Float64Array];

  constructor(memory: SharedArrayBuffer) {
    this.#version = new Int32Array(memory, 0, 1);
    const placeAt = (offset: number): Float64Array => new Float64Array(memory, offset, counterNames.length);
    this.#places = [placeAt(versionBytes), placeAt(versionBytes + placeBytes)];
  }

  /** Which of the two places the figures are in that `read` gives now. */
  get place(): 0 | 1 {
    return (Atomics.load(this.#version, 0) & 1) as 0 | 1;
  }

  /**
   * For the one writer.
   *
   * @param alongside writes elsewhere what belongs to these figures, under the number of their place: it counts from the
   *   moment when they do.
   */
  publish(counters: Counters, alongside?: (place: 0 | 1) => void): void {
    const version = Atomics.load(this.#version, 0) + 1;
    const place = this.#placeOf(version);
    for (let index = 0; index < counterNames.length; index++) {
      place[index] = counters[counterNames[index] as CounterName];
    }
    alongside?.((version & 1) as 0 | 1);
    Atomics.store(this.#version, 0, version);
  }

  read(): Counters {
    const counters = zeroCounters();
    for (;;) {
      const version = Atomics.load(this.#version, 0);
      const place = this.#placeOf(version);
      for (const [index, name] of counterNames.entries()) counters[name] = place[index] as number;
      // The writer takes milliseconds from one version to the next: a second attempt is rare, a third is not seen.
      if (Atomics.load(this.#version, 0) === version) return counters;
    }
  }

  #placeOf(version: number): Float64Array {
    return this.#places[version & 1] as Float64Array;
  }
}
