import process from "node:process";
import { SingleBar } from "cli-progress";

/** A bar on a terminal's stderr with count and rate; elsewhere nothing. */
export class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #startedAtMs = performance.now();

  /** @param what is counted: `spans`. */
  constructor(what: string, total: number) {
    if (!process.stderr.isTTY) return;
    const format = `[{bar}] {value} of {total} ${what}, {rate} a second`;
    this.#bar = new SingleBar({ format, hideCursor: true, stream: process.stderr, etaBuffer: 100 });
    this.#bar.start(Math.max(1, total), 0, { rate: "0" });
  }

  get isShown(): boolean {
    return this.#bar !== undefined;
  }

  /** @param total when it turns out to be another. */
  update(done: number, total?: number): void {
    if (this.#bar === undefined) return;
    if (total !== undefined) this.#bar.setTotal(Math.max(1, total));
    this.#bar.update(done, { rate: this.rate(done).toLocaleString("en") });
  }

  /** So many a second since the start. */
  rate(done: number): number {
    return Math.round(done / Math.max(0.001, (performance.now() - this.#startedAtMs) / 1_000));
  }

  stop(): void {
    this.#bar?.stop();
  }
}
