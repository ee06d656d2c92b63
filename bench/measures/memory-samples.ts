/** Resident memory of the whole process, all threads included, over time. */
import process from "node:process";
import { epochMs } from "../clock.ts";

const everyMs = 20;
const mb = 1_000_000;

export interface MemorySamples {
  stop: () => void;
  /** The highest so far, or until a time (`epochMs`), in MB. */
  peakMb: (untilMs?: number) => number;
}

export function sampleMemory(): MemorySamples {
  const samples: [atMs: number, bytes: number][] = [];
  const take = (): void => {
    samples.push([epochMs(), process.memoryUsage.rss()]);
  };
  take();
  const timer = setInterval(take, everyMs);
  return {
    stop: () => clearInterval(timer),
    peakMb(untilMs = Number.POSITIVE_INFINITY) {
      let peak = 0;
      for (const [atMs, bytes] of samples) if (atMs <= untilMs) peak = Math.max(peak, bytes);
      return peak / mb;
    },
  };
}

export function residentMb(): number {
  return process.memoryUsage.rss() / mb;
}
