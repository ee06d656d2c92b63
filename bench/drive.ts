/** Calls a subject and takes the time: flat out, and at the pace of a busy bot. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate, setTimeout } from "node:timers/promises";
import { processCpuMicros, threadCpuMicros } from "./clock.ts";
import { quantile } from "./statistics.ts";

/** Calls between two turns of the event loop: timers, sockets and messages of the subject get their time. */
const callsPerLoopTurn = 100;

/** Spans in a millisecond when paced: 1,000 a second. */
const pacedSpansPerMs = 1;

/** Longest wait for work that a subject has put off. */
const settleLimitMs = 20_000;

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
  spansPerSecond: number;
  settleMs: number;
  /** Was the work put off still not done after the limit? */
  isUnsettled: boolean;
}

export interface Drive<Input> {
  call: (input: Input) => void;
  settle: () => Promise<void>;
  inputs: readonly Input[];
  calibration: Calibration;
}

/** All inputs, one after another. */
export async function driveFlatOut<Input>(drive: Drive<Input>): Promise<Measures> {
  return await measure(drive, async ({ call, inputs }, callMs) => {
    for (let index = 0; index < inputs.length; index++) {
      const startMs = performance.now();
      call(inputs[index] as Input);
      callMs[index] = performance.now() - startMs;
      if (index % callsPerLoopTurn === callsPerLoopTurn - 1) await setImmediate();
    }
  });
}

/** All inputs at `pacedSpansPerMs`; who falls behind catches up in one go, as the spans of a real bot would not wait. */
export async function drivePaced<Input>(drive: Drive<Input>): Promise<Measures> {
  return await measure(drive, async ({ call, inputs }, callMs) => {
    const beganMs = performance.now();
    for (let index = 0; index < inputs.length; ) {
      await setTimeout(1);
      const due = Math.min(inputs.length, Math.floor((performance.now() - beganMs) * pacedSpansPerMs));
      for (; index < due; index++) {
        const startMs = performance.now();
        call(inputs[index] as Input);
        callMs[index] = performance.now() - startMs;
      }
    }
  });
}

async function measure<Input>(
  drive: Drive<Input>,
  run: (drive: Drive<Input>, callMs: Float64Array) => Promise<void>,
): Promise<Measures> {
  const { inputs, calibration } = drive;
  const callMs = new Float64Array(inputs.length).fill(0);
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
  const callMicros = (share: number): number => Math.max(0, quantile(callMs, share) * 1000 - calibration.callMicros);
  const perSpan = (micros: number): number => micros / inputs.length - calibration.cpuMicrosPerSpan;
  return {
    p50Micros: callMicros(0.5),
    p99Micros: callMicros(0.99),
    p999Micros: callMicros(0.999),
    maxMicros: callMicros(1),
    cpuMicrosPerSpan: perSpan(cpuAtEnd - cpuAtStart),
    cpuMicrosPerSpanUntilLastCall: perSpan(cpuAtLastCall - cpuAtStart),
    processCpuMicrosPerSpan: perSpan(processCpuAtEnd - processCpuAtStart),
    eventLoopDelayP99Ms: loopDelay.percentile(99) / 1e6,
    spansPerSecond: inputs.length / ((endMs - startMs) / 1000),
    settleMs: settledMs - endMs,
    isUnsettled: !isSettled,
  };
}

async function withinLimit(work: Promise<void>): Promise<boolean> {
  const controller = new AbortController();
  const limit = setTimeout(settleLimitMs, false, { signal: controller.signal }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), limit]);
  } finally {
    controller.abort();
  }
}
