// A process with a thread. Each takes much memory, lets go of it, is busy for a while and then idle, and says what became
// of its heap. Argument: whether memory is to be returned.
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import process from "node:process";
import v8 from "node:v8";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { returnMemoryIfWanted, returnMemoryOfAllThreads } from "../../src/workers/memory-return.ts";

export interface Burst {
  /** Of the heap, in megabytes. */
  grownMb: number;
  afterBusyMb: number;
  idleMb: number;
  /** Whole ones, while it was idle. */
  collections: number;
}

const busyMs = 400;
const idleMs = 1_000;

function heapMb(): number {
  return v8.getHeapStatistics().total_physical_size / 1e6;
}

async function burst(): Promise<Burst> {
  const kept = Array.from({ length: 300_000 }, (_, index) => ({ index, text: `text ${index}` }));
  const grownMb = heapMb();
  kept.length = 0;
  const endMs = performance.now() + busyMs;
  while (performance.now() < endMs) await new Promise(setImmediate);
  const afterBusyMb = heapMb();
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    const entries = list.getEntries() as (PerformanceEntry & { detail?: { kind?: number } })[];
    collections += entries.filter(({ detail }) => detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR).length;
  });
  observer.observe({ entryTypes: ["gc"] });
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  observer.disconnect();
  return { grownMb, afterBusyMb, idleMb: heapMb(), collections };
}

if (isMainThread) {
  if (process.argv[2] === "return") returnMemoryOfAllThreads(100);
  const thread = new Worker(new URL(import.meta.url));
  const ofThread = await new Promise((resolve) => thread.once("message", resolve));
  process.stdout.write(JSON.stringify([ofThread, await burst()]));
} else {
  returnMemoryIfWanted();
  parentPort?.postMessage(await burst());
}
