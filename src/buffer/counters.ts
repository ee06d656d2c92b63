/**
 * The pump's figures in shared memory, so that `stats()` on the caller's thread is synchronous and consistent.
 *
 * One writer (the pump), any number of readers, guarded by a version: odd while the writer is inside, so a reader that
 * sees the same even version before and after its copy has a snapshot of one moment. Counters that belong together
 * (conservation, P2) change in one `publish`.
 */
const counterNames = [
  /** Frames taken from the ring, damaged ones included. */
  "taken",
  /** Spans found in the journal at start, from earlier processes. */
  "recovered",
  "acknowledged",
  "deadLettered",
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

export function createCounterMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(versionBytes + counterNames.length * Float64Array.BYTES_PER_ELEMENT);
}

export function zeroCounters(): Counters {
  return Object.fromEntries(counterNames.map((name) => [name, 0])) as Counters;
}

export class SharedCounters {
  readonly #version: Int32Array;
  readonly #values: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#version = new Int32Array(memory, 0, 1);
    this.#values = new Float64Array(memory, versionBytes, counterNames.length);
  }

  /** For the one writer. */
  publish(counters: Counters): void {
    // Odd already: the writer before this one died inside.
    Atomics.or(this.#version, 0, 1);
    for (let index = 0; index < counterNames.length; index++) {
      this.#values[index] = counters[counterNames[index] as CounterName];
    }
    Atomics.add(this.#version, 0, 1);
  }

  read(): Counters {
    const counters = zeroCounters();
    // The writer is inside for well under a microsecond; if it died there, the last values are the best there are.
    for (let attempt = 0; attempt < 10_000; attempt++) {
      const before = Atomics.load(this.#version, 0);
      for (const [index, name] of counterNames.entries()) counters[name] = this.#values[index] as number;
      if ((before & 1) === 0 && Atomics.load(this.#version, 0) === before) break;
    }
    return counters;
  }
}
