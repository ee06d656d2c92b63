/** `npm run bench:sidecar -- [--quick] [--only NAME[,NAME]] [--report] …`: see docs/benchmarks-sidecar.md. */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { describeMachine, loadAverage } from "../machine.ts";
import { Sink } from "../sink-handle.ts";
import { median } from "../statistics.ts";
import { makeWorkFolder } from "../work-folder.ts";
import { buildCollector, collectorVersion } from "./collector.ts";
import { LoadGenerator } from "./load-handle.ts";
import { measure, type MeasureContext } from "./measure.ts";
import { type Cell, cellsOf, subjectsOf } from "./plan.ts";
import { sidecarMarkdown } from "./report.ts";
import type { SidecarResults } from "./results.ts";
import { readSidecarSettings, type SidecarSettings } from "./settings.ts";
import { type SubjectName, subjects } from "./subjects.ts";
import { writeSidecarReport, writeSidecarResults } from "./write.ts";

const profileFolder = fileURLToPath(new URL("../results/sidecar-profiles", import.meta.url));

async function run(settings: SidecarSettings): Promise<SidecarResults> {
  const { plan, isQuick, isProfiling } = settings;
  const collector = settings.subjects.some((name) => subjects[name].isCollector)
    ? await buildCollector((what) => console.error(what))
    : ({ isBuilt: false, reason: "it was not asked for" } as const);
  const results: SidecarResults = {
    machine: describeMachine(),
    collectorVersion: collector.isBuilt ? collectorVersion() : undefined,
    startedAt: new Date().toISOString(),
    seconds: 0,
    isQuick,
    loadAverage: { atStart: loadAverage(), atEnd: 0 },
    fsyncMs: measureFsync(),
    measuredSeconds: plan.measuredSeconds,
    warmUpSeconds: plan.warmUpSeconds,
    rows: [],
    notRun: [],
    failures: [],
  };
  const wanted = settings.subjects.filter((subject) => {
    const canRun = collector.isBuilt || !subjects[subject].isCollector;
    if (!canRun) results.notRun.push({ subject, reason: collector.reason });
    return canRun;
  });
  const beganMs = performance.now();
  const context: MeasureContext = {
    plan,
    sink: new Sink(),
    load: new LoadGenerator(),
    workFolder,
    collectorFile: collector.isBuilt ? collector.file : "",
    profileFolder: isProfiling ? profileFolder : undefined,
  };
  try {
    for (const cell of cellsOf(plan)) {
      for (const name of subjectsOf(cell, wanted)) await runOne(cell, name, context, results);
    }
  } finally {
    await context.load.stop();
    await context.sink.stop();
  }
  results.seconds = (performance.now() - beganMs) / 1000;
  results.loadAverage.atEnd = loadAverage();
  return results;
}

async function runOne(
  cell: Cell,
  subject: SubjectName,
  context: MeasureContext,
  results: SidecarResults,
): Promise<void> {
  const what = `${cell.spansPerRequest} spans, ${cell.encoding}, ${cell.connections} connections, ${subject}`;
  try {
    const row = await measure(cell, subject, context);
    results.rows.push(row);
    console.error(`${what}: ${Math.round(row.spansPerSecond)} spans/s`);
  } catch (error) {
    const reason = (error as Error).message;
    results.failures.push({ cell, subject, reason });
    console.error(`${what}: FAILED: ${reason}`);
  }
}

/** What waiting for the disk costs here: without it the figures of those who do so mean nothing. */
function measureFsync(): number {
  const file = openSync(join(workFolder, "fsync"), "w");
  const page = Buffer.alloc(4_096, 1);
  const times = Array.from({ length: 50 }, () => {
    writeSync(file, page);
    const beganMs = performance.now();
    fsyncSync(file);
    return performance.now() - beganMs;
  });
  closeSync(file);
  return median(times);
}

const workFolder = makeWorkFolder();

try {
  const settings = readSidecarSettings(process.argv.slice(2));
  const results = await run(settings);
  writeSidecarResults(results);
  if (settings.isReporting) writeSidecarReport(results);
  console.log(sidecarMarkdown(results));
  if (results.failures.length > 0) process.exitCode = 1;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
