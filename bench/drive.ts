/** Calls a subject and takes the time: flat out, and at the pace of a busy bot. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate, setTimeout } from "node:timers/promises";
import { processCpuMicros, threadCpuMicros } from "./clock.ts";
import { quantile } from "./statistics.ts";

/** Calls between two turns of the event loop: timers, sockets and messages of the subject get their time. */
const callsPerLoopTurn = 100;

/** Longest wait for work that a subject has put off. */
const settleLimitMs = 60_000;

/** What calls with nothing in them cost: the two readings of the clock, the loop and its turns. */
export interface Calibration {
  callMicros: number;
  cpuMicrosPerSpan: number;
}

export const noCalibration: Calibration = { callMicros: 0, cpuMicrosPerSpan: 0 };

export interface Measures {
  p50Micros: number;
  p99Micros: number;
  p999Micros: number;
  maxMicros: number;
  /** Of the caller's thread, from the first call until all work put off is done. */
  cpuMicrosPerSpan: number;
  /** The part of it that was used until the last call had returned. */
  cpuMicrosPerSpanUntilLastCall: number;
  /** Of all threads, from the first call until all work put off is done. */
  processCpuMicrosPerSpan: number;
  /** Between two firings of a timer of 1 ms, 99th percentile, while the calls were made. */
  eventLoopDelayP99Ms: number;
  /** Of the calls alone. */
  callsPerSecond: number;
  /** From the first call until all work put off is done. */
  settledPerSecond: number;
  settleMs: number;
  /** 1: the work put off was still not done after the limit. */
  unsettled: number;
}

export interface Driven {
  measures: Measures;
  /** Of all calls, sorted, less that of an empty one. */
  callMicros: Float64Array;
}

export interface Drive<Input> {
  call: (input: Input) => void;
  settle: () => Promise<void>;
  /** Taken in turns when there are fewer than calls. */
  inputs: readonly Input[];
  calls: number;
  calibration: Calibration;
}

/** One call after another. */
export async function driveFlatOut<Input>(drive: Drive<Input>): Promise<Driven> {
  return await measure(drive, async ({ call, inputs, calls }, callMs) => {
    for (let index = 0; index < calls; index++) {
      const input = inputs[index % inputs.length] as Input;
      const startMs = performance.now();
      call(input);
      callMs[index] = performance.now() - startMs;
      if (index % callsPerLoopTurn === callsPerLoopTurn - 1) await setImmediate();
    }
  });
}

/** So many a second; who falls behind catches up in one go, as the spans of a real bot would not wait. */
export async function drivePaced<Input>(drive: Drive<Input>, spansPerSecond: number): Promise<Driven> {
  return await measure(drive, async ({ call, inputs, calls }, callMs) => {
    const beganMs = performance.now();
    for (let index = 0; index < calls; ) {
      await setTimeout(1);
      const due = Math.min(calls, Math.floor(((performance.now() - beganMs) * spansPerSecond) / 1000));
      for (; index < due; index++) {
        const input = inputs[index % inputs.length] as Input;
        const startMs = performance.now();
        call(input);
        callMs[index] = performance.now() - startMs;
      }
    }
  });
}

async function measure<Input>(
  drive: Drive<Input>,
  run: (drive: Drive<Input>, callMs: Float64Array) => Promise<void>,
): Promise<Driven> {
  const { calls, calibration } = drive;
  const callMs = new Float64Array(calls).fill(0);
  const loopDelay = monitorEventLoopDelay({ resolution: 1 });
  // Rubbish of the preparation is not the subject's.
  globalThis.gc?.();

  const cpuAtStart = threadCpuMicros();
  const processCpuAtStart = processCpuMicros();
  loopDelay.enable();
  const startMs = performance.now();
  await run(drive, callMs);
  const endMs = performance.now();
  loopDelay.disable();
  const cpuAtLastCall = threadCpuMicros();
  const isSettled = await withinLimit(drive.settle());
  const settledMs = performance.now();
  const cpuAtEnd = threadCpuMicros();
  const processCpuAtEnd = processCpuMicros();

  callMs.sort();
  const callMicros = callMs.map((ms) => Math.max(0, ms * 1000 - calibration.callMicros));
  const perSpan = (micros: number): number => micros / calls - calibration.cpuMicrosPerSpan;
  const measures: Measures = {
    p50Micros: quantile(callMicros, 0.5),
    p99Micros: quantile(callMicros, 0.99),
    p999Micros: quantile(callMicros, 0.999),
    maxMicros: quantile(callMicros, 1),
    cpuMicrosPerSpan: perSpan(cpuAtEnd - cpuAtStart),
    cpuMicrosPerSpanUntilLastCall: perSpan(cpuAtLastCall - cpuAtStart),
    processCpuMicrosPerSpan: perSpan(processCpuAtEnd - processCpuAtStart),
    eventLoopDelayP99Ms: loopDelay.percentile(99) / 1e6,
    callsPerSecond: calls / ((endMs - startMs) / 1000),
    settledPerSecond: calls / ((settledMs - startMs) / 1000),
    settleMs: settledMs - endMs,
    unsettled: isSettled ? 0 : 1,
  };
  return { measures, callMicros };
}

/** Enough calls that their CPU is many times what reading the account is wrong by. */
const calibrationCalls = 100_000;

/** What the benchmark's own loop costs in this process. */
export async function calibrate(): Promise<Calibration> {
  const drive: Drive<number> = {
    call: () => undefined,
    settle: () => Promise.resolve(),
    inputs: Array.from({ length: 1000 }, (_, index) => index),
    calls: calibrationCalls,
    calibration: noCalibration,
  };
  // The first run is for the compilers.
  await driveFlatOut(drive);
  const { measures } = await driveFlatOut(drive);
  return { callMicros: measures.p50Micros, cpuMicrosPerSpan: measures.cpuMicrosPerSpan };
}

/** Returns whether the work came to its end in time. */
async function withinLimit(work: Promise<void>): Promise<boolean> {
  const controller = new AbortController();
  const limit = setTimeout(settleLimitMs, false, { signal: controller.signal }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), limit]);
  } finally {
    controller.abort();
  }
}
