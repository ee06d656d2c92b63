import type { RingProducer } from "./ring-producer.ts";

/** Fifty times a second costs the caller a hundredth of a percent. */
const beatMs = 20;

/** After so many beats without a span it rests. */
const restAfterBeats = 10;

/**
 * The pulse of the caller's event loop, while spans flow: a timer that writes into the ring when it is due next. A pump
 * that finds that moment gone knows that the bot wants the core, even while the loop is too busy to say so itself.
 */
export class Pulse {
  readonly #ring: RingProducer;
  #timer: NodeJS.Timeout | undefined;
  #isBeating = false;
  #sequence = 0;
  #idleBeats = 0;

  constructor(ring: RingProducer) {
    this.#ring = ring;
  }

  get isBeating(): boolean {
    return this.#isBeating;
  }

  /** With the first span after a rest. Keeps no process alive. */
  begin(): void {
    this.#isBeating = true;
    this.#idleBeats = 0;
    this.#timer = setTimeout(this.#beat, beatMs).unref();
    this.#ring.beat(beatMs);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#isBeating = false;
    this.#ring.rest();
  }

  readonly #beat = (): void => {
    const { sequence } = this.#ring;
    this.#idleBeats = sequence === this.#sequence ? this.#idleBeats + 1 : 0;
    this.#sequence = sequence;
    if (this.#idleBeats >= restAfterBeats) {
      this.end();
      return;
    }
    this.#timer?.refresh();
    this.#ring.beat(beatMs);
  };
}
