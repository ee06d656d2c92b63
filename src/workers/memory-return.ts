import { performance } from "node:perf_hooks";
import v8 from "node:v8";
import { runInNewContext } from "node:vm";
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";

const defaultLookEveryMs = 5_000;
/** Share of the time between two looks in which the thread's event loop had something to do. */
const idleUtilization = 0.1;
/** A collection takes some tens of milliseconds: not for less. */
const worthwhileBytes = 8 * 1024 * 1024;

/** How often threads look, in ms: for those that are started later, and those that they start. */
const lookKey = "langfuse-span-buffer: memory is returned";

/**
 * Each thread of ours, this one included, gives back what a burst took, once it is idle. V8 means to do so by itself as
 * soon as little is allocated; but it measures that when it collects, and an idle thread collects nothing: in Node heaps
 * stay at their largest, and freed pages stay with V8 for the next burst. For a process of our own, never for a bot's: the
 * flag, and the pause, are the whole process's. To be called before threads are started.
 */
export function returnMemoryOfAllThreads(lookEveryMs: number = defaultLookEveryMs): void {
  v8.setFlagsFromString("--expose-gc");
  setEnvironmentData(lookKey, lookEveryMs);
  returnMemoryIfWanted();
}

/** For a thread that begins. */
export function returnMemoryIfWanted(): void {
  const lookEveryMs = getEnvironmentData(lookKey);
  if (typeof lookEveryMs !== "number") return;
  // What the flag exposes, it exposes to contexts that are made after it.
  const collect = runInNewContext("globalThis.gc") as NodeJS.GCFunction | undefined;
  if (collect === undefined) return;
  let keptBytes = 0;
  let before = performance.eventLoopUtilization();
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    if (utilization > idleUtilization || heapBytes() < keptBytes + worthwhileBytes) return;
    // The last resort: also what V8 keeps for a next time.
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    keptBytes = heapBytes();
  }, lookEveryMs).unref();
}

/** Of this thread. */
function heapBytes(): number {
  return v8.getHeapStatistics().total_physical_size;
}
