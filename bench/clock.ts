/** How time is taken: of a call, of a thread, of a process, and between processes. */
import process from "node:process";

const cell = new Int32Array(new SharedArrayBuffer(4));

/**
 * CPU that this thread has used so far, in microseconds.
 *
 * The kernel brings a running thread's account up to date at its ticks only, so a plain reading is wrong by up to
 * 4 ms: as much as a thousand spans cost. A thread that has just slept has a true one, hence the wait of a
 * millisecond, which blocks: nothing else runs on the thread meanwhile.
 */
export function threadCpuMicros(): number {
  Atomics.wait(cell, 0, 0, 1);
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

/** CPU of all threads of this process, in microseconds. To be read after `threadCpuMicros`, for the same reason. */
export function processCpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Milliseconds since 1970 with a fraction: the same clock for all processes of this machine. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}
