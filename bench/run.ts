/** `npm run bench -- [--only NAME[,NAME]] [--turns N] [--quick] [--publish]`: see docs/benchmarks.md. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describeMachine, loadAverage } from "./machine.ts";
import { reportMarkdown } from "./report.ts";
import type { BenchResults } from "./results.ts";
import { collect } from "./runners/collector.ts";
import { readSettings, type Settings, subjectsOf } from "./settings.ts";
import { Sink } from "./sink-handle.ts";
import { subjectNamed } from "./subjects.ts";
import type { RunnerContext, Trial, TrialResult } from "./trial.ts";
import { makeWorkFolder } from "./work-folder.ts";
import { publishResults, writeResults } from "./write.ts";

async function run(settings: Settings): Promise<BenchResults> {
  const startedAt = new Date().toISOString();
  const beganMs = performance.now();
  const atStart = loadAverage();
  const sink = new Sink();
  const results: TrialResult[] = [];
  try {
    for (const trial of settings.trials) {
      const result = await runTrial(trial, settings, sink);
      if (result !== undefined) results.push(result);
    }
    const sinkCpuMicros = await sink.cpuMicros();
    const seconds = (performance.now() - beganMs) / 1000;
    return {
      machine: describeMachine(),
      startedAt,
      seconds,
      isQuick: settings.isQuick,
      loadAverage: { atStart, atEnd: loadAverage() },
      sinkLoad: sinkCpuMicros / (seconds * 1e6),
      trials: results,
    };
  } finally {
    await sink.stop();
  }
}

async function runTrial(trial: Trial, settings: Settings, sink: Sink): Promise<TrialResult | undefined> {
  const rows = subjectsOf(trial, settings).map(({ name, spans }) => ({ subject: subjectNamed(name), spans }));
  if (rows.length === 0) return undefined;
  const context: RunnerContext = {
    trial,
    rows,
    turns: Math.min(settings.turns, trial.mostTurns),
    isQuick: settings.isQuick,
    parameters: { ...trial.parameters, ...(settings.isQuick ? trial.quickParameters : {}) },
    sink,
    makeFolder: () => mkdtempSync(join(workFolder, "run-")),
    say: (what) => console.error(`${trial.name}: ${what}`),
  };
  const { result, collector } = collect(context);
  await trial.runner(context, collector);
  console.error(`${trial.name}: ${Math.round(result.seconds)} s`);
  return result;
}

const workFolder = makeWorkFolder();

try {
  const settings = readSettings(process.argv.slice(2));
  const results = await run(settings);
  const drawn = writeResults(results);
  if (settings.isPublishing) publishResults(results, drawn);
  console.log(reportMarkdown(results));
  // A bound that is missed is a figure; a subject that failed is a failure.
  if (results.trials.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
