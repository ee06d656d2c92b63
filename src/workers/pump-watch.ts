import type { RingProducer } from "../buffer/ring-producer.ts";

/** How often the caller looks. */
const lookEveryMs = 1_000;

export interface PumpWatchOptions {
  ring: RingProducer;
  /** Without a sign of life for so long the pump hangs. */
  limitMs: number;
  onHanging: () => void;
}

/**
 * Looks now and then whether the pump still turns. Counted is the caller's own time awake: a process that was stopped,
 * or a blocked event loop, makes no pump look dead. The timer keeps no process alive.
 */
export class PumpWatch {
  readonly #options: PumpWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #turns = 0;
  #silentMs = 0;

  constructor(options: PumpWatchOptions) {
    this.#options = options;
  }

  begin(): void {
    this.#silentMs = 0;
    this.#timer ??= setInterval(() => this.#look(), Math.min(lookEveryMs, this.#options.limitMs / 4)).unref();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const { ring, limitMs, onHanging } = this.#options;
    const turns = ring.pumpTurns();
    if (turns !== this.#turns || !ring.isPumpExpectedToTurn()) {
      this.#turns = turns;
      this.#silentMs = 0;
      return;
    }
    this.#silentMs += Math.min(lookEveryMs, limitMs / 4);
    if (this.#silentMs < limitMs) return;
    this.#silentMs = 0;
    onHanging();
  }
}
