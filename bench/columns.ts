/** Which figures of a measure the report shows, and under which heads. The JSON has all of them. */
import type { Column } from "./trial.ts";

const arrived: Column = { head: "arrived", figure: "arrivedShare", form: "share" };

export const hotPathColumns: readonly Column[] = [
  { head: "spans", figure: "spans" },
  { head: "p50 µs", figure: "flatOut.p50Micros" },
  { head: "p99 µs", figure: "flatOut.p99Micros" },
  { head: "p99.9 µs", figure: "flatOut.p999Micros", hasSpread: true },
  { head: "max µs", figure: "flatOut.maxMicros" },
  { head: "CPU µs a span", figure: "flatOut.cpuMicrosPerSpan", hasSpread: true },
  { head: "… until the last call", figure: "flatOut.cpuMicrosPerSpanUntilLastCall" },
  { head: "× floor", figure: "flatOut.cpuMicrosPerSpan", over: "floor", hasSpread: true },
  { head: "CPU µs, all threads", figure: "flatOut.processCpuMicrosPerSpan" },
  { head: "loop delay p99 ms", figure: "flatOut.eventLoopDelayP99Ms" },
  { head: "calls/s", figure: "flatOut.callsPerSecond" },
  arrived,
];

export const kindColumns: readonly Column[] = hotPathColumns.filter(
  ({ head }) => !head.startsWith("loop") && !head.startsWith("…"),
);

export const pacedColumns = (pace: number): readonly Column[] => [
  { head: "p50 µs", figure: `paced${pace}.p50Micros` },
  { head: "p99 µs", figure: `paced${pace}.p99Micros` },
  { head: "p99.9 µs", figure: `paced${pace}.p999Micros`, hasSpread: true },
  { head: "max µs", figure: `paced${pace}.maxMicros` },
  { head: "loop delay p99 ms", figure: `paced${pace}.eventLoopDelayP99Ms` },
  { head: "calls/s", figure: `paced${pace}.callsPerSecond` },
];

export const loopColumns: readonly Column[] = [
  { head: "spans/s", figure: "spansPerSecond" },
  { head: "loop delay p50 ms", figure: "loopDelay.p50Ms" },
  { head: "loop delay p99 ms", figure: "loopDelay.p99Ms", hasSpread: true },
  { head: "× no tracing", figure: "loopDelay.p99Ms", over: "none", hasSpread: true },
  { head: "timer late p50 ms", figure: "late.p50Ms" },
  { head: "timer late p99 ms", figure: "late.p99Ms", hasSpread: true },
  { head: "× no tracing", figure: "late.p99Ms", over: "none", hasSpread: true },
  { head: "timer late max ms", figure: "late.maxMs" },
  { head: "thread's load", figure: "threadLoad", form: "share" },
  arrived,
];

export const deliveryColumns: readonly Column[] = [
  { head: "spans", figure: "spans" },
  { head: "CPU µs a span, all threads", figure: "processCpuMicrosPerSpan", hasSpread: true },
  { head: "… caller's thread", figure: "cpuMicrosPerSpan" },
  { head: "… pump", figure: "pumpCpuMicrosPerSpan" },
  { head: "… export threads", figure: "exportCpuMicrosPerSpan" },
  { head: "… V8's helpers", figure: "helpersCpuMicrosPerSpan" },
  { head: "delivered/s", figure: "arrivedPerSecond", hasSpread: true },
  { head: "calls/s", figure: "callsPerSecond" },
  { head: "call p99.9 µs", figure: "p999Micros" },
  { head: "peak RSS MB", figure: "peakMb" },
  { head: "sink's CPU µs a span", figure: "sinkCpuMicrosPerSpan" },
  arrived,
];

export const memoryColumns: readonly Column[] = [
  { head: "spans", figure: "spans" },
  { head: "idle MB", figure: "idleMb", hasSpread: true },
  { head: "idle, added", figure: "idleMb", less: "none", hasSpread: true },
  { head: "peak MB", figure: "peakMb", hasSpread: true },
  { head: "peak, added", figure: "peakMb", less: "none", hasSpread: true },
  { head: "calls/s", figure: "callsPerSecond" },
];

export const startColumns: readonly Column[] = [
  { head: "import ms", figure: "importMs" },
  { head: "construct ms", figure: "constructMs", hasSpread: true },
  { head: "… CPU ms", figure: "constructCpuMs" },
  { head: "first span at the sink, ms after flush()", figure: "firstArrivalMs", hasSpread: true },
  { head: "flush() ms", figure: "flushMs" },
];

export const flushColumns: readonly Column[] = [
  { head: "1 span, p50 ms", figure: "flush1.p50Ms", hasSpread: true },
  { head: "p90", figure: "flush1.p90Ms" },
  { head: "max", figure: "flush1.maxMs" },
  { head: "100 spans, p50 ms", figure: "flush100.p50Ms", hasSpread: true },
  { head: "p90", figure: "flush100.p90Ms" },
  { head: "max", figure: "flush100.maxMs" },
];

export const drainColumns: readonly Column[] = [
  { head: "first span at the sink, ms", figure: "firstArrivalMs", hasSpread: true },
  { head: "first ones/s", figure: "earlyPerSecond", hasSpread: true },
  { head: "after them/s", figure: "steadyPerSecond", hasSpread: true },
  { head: "peak RSS MB, first ones", figure: "earlyPeakMb", hasSpread: true },
  { head: "peak RSS MB", figure: "peakMb", hasSpread: true },
];

export const insertColumns: readonly Column[] = [
  { head: "spans", figure: "spans" },
  { head: "inserts/s", figure: "settledPerSecond", hasSpread: true },
  { head: "CPU µs a span", figure: "cpuMicrosPerSpan" },
];

export const outageColumns: readonly Column[] = [
  { head: "spans", figure: "sent" },
  { head: "arrived in the end", figure: "arrivedShare", form: "share" },
  { head: "came twice", figure: "twice" },
  { head: "flush() afterwards ms", figure: "settleMs" },
];

export const exitColumns: readonly Column[] = [
  { head: "spans", figure: "spans" },
  { head: "end takes ms", figure: "exitMs", hasSpread: true },
  { head: "… more than no tracing", figure: "exitMs", less: "none" },
  { head: "arrived by then", figure: "arrivedAtExit", form: "share" },
  { head: "after the next start", figure: "arrivedShare", form: "share" },
];
