import process from "node:process";
import { MultiBar, type SingleBar } from "cli-progress";
import pc from "picocolors";
import type { SpanBufferStats } from "../../index.ts";

/** What one look at the demo shows. */
export interface Picture {
  phase: string;
  stored: number;
  storedPerSecond: number;
  stats: SpanBufferStats | undefined;
  /** Spans that wait, as far as the outage piled them up; 0: no backfill under way. */
  backlogPeak: number;
}

/** Shows the demo: bars on a terminal, otherwise a plain line a second. */
export class Screen {
  readonly #bars: MultiBar | undefined;
  readonly #status: SingleBar | undefined;
  readonly #backfill: SingleBar | undefined;
  #lastLineAtMs = 0;

  constructor() {
    if (!process.stdout.isTTY) return;
    this.#bars = new MultiBar({ hideCursor: true, clearOnComplete: false, emptyOnZero: true }, shades);
    this.#status = this.#bars.create(1, 0, { text: "" }, { format: "{text}" });
    this.#backfill = this.#bars.create(1, 0, {}, { format: "backfill [{bar}] {value} of {total} spans" });
  }

  show(picture: Picture): void {
    const { backlogPeak, stats } = picture;
    if (this.#bars === undefined) {
      if (performance.now() - this.#lastLineAtMs < 1000) return;
      this.#lastLineAtMs = performance.now();
      print(statusLine(picture));
      return;
    }
    this.#status?.update({ text: statusLine(picture) });
    this.#backfill?.setTotal(Math.max(1, backlogPeak));
    this.#backfill?.update(backlogPeak === 0 ? 0 : Math.max(0, backlogPeak - (stats?.pending ?? 0)));
  }

  /** Something happened. */
  announce(text: string): void {
    if (this.#bars === undefined) print(`— ${text}`);
    else this.#bars.log(`${pc.bold(`— ${text}`)}\n`);
  }

  stop(): void {
    this.#bars?.stop();
  }
}

const shades = { format: "", barCompleteChar: "█", barIncompleteChar: "░" };

function statusLine({ phase, stored, storedPerSecond, stats }: Picture): string {
  const parts = [
    phase.padEnd(22),
    `stored ${String(stored).padStart(6)}`,
    `${String(Math.round(storedPerSecond)).padStart(5)}/s`,
    `ring ${((stats?.ringBytes ?? 0) / 1024).toFixed(0).padStart(4)} KiB`,
    `journal ${String(stats?.journalSpans ?? 0).padStart(6)}`,
    `pending ${String(stats?.pending ?? 0).padStart(6)}`,
    stats === undefined ? "" : stateText(stats.state),
  ];
  return parts.join("  ");
}

function stateText(state: SpanBufferStats["state"]): string {
  return state === "sending" ? pc.green(state) : pc.yellow(state);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
