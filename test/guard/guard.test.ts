/**
 * Guards what was gained in speed. Each figure is a ratio of two taken in the same minutes, or a count of bytes; the
 * bounds leave a noisy machine about twice what a quiet one shows, so that only a real loss fails. The figures as they
 * are: `npm run bench`.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Figures, MeasureName } from "../../bench/job.ts";
import { runJob } from "../../bench/processes.ts";
import { Sink } from "../../bench/sink-handle.ts";
import { subjects } from "../../bench/subjects.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface Guard {
  /** A figure, and the one it is divided by. */
  of: string;
  over: string;
  bound: number;
  side: "at most" | "at least";
}

function hold(trial: string, figures: Readonly<Record<string, number>>, guards: readonly Guard[]): void {
  for (const { of, over, bound, side } of guards) {
    const ratio = (figures[of] as number) / (figures[over] as number);
    const words = `${trial}: ${of} is ${ratio.toFixed(2)} × ${over}, and must be ${side} ${bound} ×`;
    if (side === "at most") expect(ratio, words).toBeLessThanOrEqual(bound);
    else expect(ratio, words).toBeGreaterThanOrEqual(bound);
  }
}

const run = promisify(execFile);

/** Quickest rounds and bytes of the caller's thread alone, in a process without a pump. */
async function callerCosts(): Promise<{ micros: Record<string, number>; heapBytes: Record<string, number> }> {
  const program = fileURLToPath(new URL("caller-costs.ts", import.meta.url));
  const flags = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  const { stdout } = await run(process.execPath, [...flags, program]);
  return JSON.parse(stdout) as Awaited<ReturnType<typeof callerCosts>>;
}

test("caller's thread, no pump: time and garbage of a span beside JSON.stringify and a copy", async () => {
  const { micros, heapBytes } = await callerCosts();
  hold("caller, time", micros, [
    { of: "enqueue", over: "floor", bound: 1.7, side: "at most" },
    { of: "startSpan", over: "floor", bound: 2.1, side: "at most" },
  ]);
  hold("caller, bytes on the heap", heapBytes, [
    { of: "enqueue", over: "floor", bound: 1.25, side: "at most" },
    { of: "startSpan", over: "floor", bound: 2.2, side: "at most" },
  ]);
});

let sink: Sink;
beforeAll(() => {
  sink = new Sink();
});
afterAll(async () => {
  await sink.stop();
});

async function measured(name: string, measure: MeasureName, spans: number): Promise<Figures> {
  const subject = subjects.find((row) => row.name === name);
  if (subject === undefined) throw new Error(`no subject ${name}`);
  const gate = await sink.open({});
  const outcome = await runJob(
    {
      measure,
      file: subject.file,
      context: { baseUrl: gate.baseUrl, directory: temporaryDirectory(), options: { ...subject.options } },
      kind: "llm",
      spans,
      seed: 1,
      parameters: { paced1000Seconds: 0, paced10000Seconds: 0 },
    },
    { env: { OTEL_BSP_MAX_QUEUE_SIZE: String(spans) } },
  );
  await gate.close();
  if (outcome.type === "refused") throw new Error(`${name}: ${outcome.reason}`);
  return outcome.measured.figures;
}

/** The lowest of two turns, in which the subjects alternate. */
async function lowest(
  figure: string,
  measure: MeasureName,
  spansByName: Readonly<Record<string, number>>,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (let turn = 0; turn < 2; turn++) {
    for (const [name, spans] of Object.entries(spansByName)) {
      const value = (await measured(name, measure, spans))[figure] as number;
      figures[name] = Math.min(figures[name] ?? Number.POSITIVE_INFINITY, value);
    }
  }
  return figures;
}

test("hot path: CPU of the caller's thread beside the floor and the others", { timeout: 120_000 }, async () => {
  const micros = await lowest("flatOut.cpuMicrosPerSpan", "hot-path", {
    floor: 20_000,
    "enqueue-journal": 20_000,
    "start-span": 20_000,
    "otel-json": 8_000,
    "langfuse-otel": 6_000,
    "langfuse-3-traced": 1_000,
  });
  hold("hot-path", micros, [
    { of: "enqueue-journal", over: "floor", bound: 3, side: "at most" },
    { of: "start-span", over: "floor", bound: 3.5, side: "at most" },
    { of: "otel-json", over: "enqueue-journal", bound: 1.5, side: "at least" },
    { of: "langfuse-otel", over: "enqueue-journal", bound: 4, side: "at least" },
    { of: "langfuse-3-traced", over: "enqueue-journal", bound: 20, side: "at least" },
  ]);
});

test("an OpenTelemetry tracer: CPU of the caller's thread with our processor beside the batch processor", {
  timeout: 120_000,
}, async () => {
  const micros = await lowest("flatOut.cpuMicrosPerSpan", "hot-path", {
    "otel-unprocessed": 20_000,
    "otel-buffered": 20_000,
    "otel-json": 8_000,
  });
  hold("hot-path", micros, [{ of: "otel-buffered", over: "otel-json", bound: 0.7, side: "at most" }]);
  // Without what the tracer's own span costs.
  const own = micros["otel-unprocessed"] as number;
  const added = { ours: (micros["otel-buffered"] as number) - own, theirs: (micros["otel-json"] as number) - own };
  hold("hot-path, added by the processor", added, [{ of: "ours", over: "theirs", bound: 0.6, side: "at most" }]);
});

test("durability strict: what a call costs beside one with journal", { timeout: 120_000 }, async () => {
  const micros = await lowest("flatOut.p50Micros", "hot-path", { "enqueue-journal": 20_000, "enqueue-strict": 20_000 });
  hold("hot-path, p50", micros, [{ of: "enqueue-strict", over: "enqueue-journal", bound: 2.5, side: "at most" }]);
});

test("delivery: CPU of the whole process beside the floor", { timeout: 120_000 }, async () => {
  const { floor } = await lowest("flatOut.cpuMicrosPerSpan", "hot-path", { floor: 20_000 });
  const micros = await lowest("processCpuMicrosPerSpan", "delivery", {
    "enqueue-journal": 60_000,
    "enqueue-direct": 60_000,
  });
  hold("delivery", { floor: floor as number, ...micros }, [
    { of: "enqueue-journal", over: "floor", bound: 20, side: "at most" },
    { of: "enqueue-direct", over: "floor", bound: 15, side: "at most" },
  ]);
});
