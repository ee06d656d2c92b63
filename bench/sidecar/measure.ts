/** One load on one subject, in a process of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fetchSpanCount } from "../measures/arrivals.ts";
import { end, waitForExit } from "../processes.ts";
import type { GateHandle, Sink } from "../sink-handle.ts";
import type { LoadGenerator } from "./load-handle.ts";
import { type Cell, drainLimitSeconds, type Plan } from "./plan.ts";
import { cpuMicrosOf, memoryOf, threadMicrosOf } from "./process-account.ts";
import type { Row } from "./results.ts";
import type { ServerProcess } from "./server-process.ts";
import { authorization, type SubjectName, subjects } from "./subjects.ts";

export interface MeasureContext {
  plan: Plan;
  sink: Sink;
  load: LoadGenerator;
  workFolder: string;
  collectorFile: string;
  profileFolder: string | undefined;
}

const pollEveryMs = 20;
/** For an orderly end, which writes the profile. */
const endLimitMs = 15_000;

/** @throws Error when the subject does not start, or answers nothing. */
export async function measure(cell: Cell, name: SubjectName, context: MeasureContext): Promise<Row> {
  const { sink, workFolder, collectorFile, profileFolder } = context;
  const directory = mkdtempSync(join(workFolder, `${name}-`));
  const gate = await sink.open({});
  try {
    const server = await subjects[name].start({ directory, sinkUrl: gate.baseUrl, collectorFile, profileFolder });
    try {
      return await measureServer(cell, name, server, gate, context);
    } finally {
      if (profileFolder !== undefined) await endOrderly(server);
      await end(server.child);
    }
  } finally {
    await gate.close();
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function measureServer(
  cell: Cell,
  name: SubjectName,
  { pid, url }: ServerProcess,
  gate: GateHandle,
  { plan, load }: MeasureContext,
): Promise<Row> {
  const { isDelivering, isSidecar } = subjects[name];
  const job = { ...cell, url: `${url}/v1/traces`, authorization };
  const warmUp = await load.run({ ...job, seconds: plan.warmUpSeconds });
  // What the warm-up has left must not be delivered at the cost of what is measured.
  if (isDelivering) await arrivalOf(warmUp.answers * cell.spansPerRequest, gate);

  const before = {
    spans: await fetchSpanCount(gate.baseUrl),
    sinkMicros: await sinkMicros(gate),
    at: performance.now(),
  };
  const cpuBefore = cpuMicrosOf(pid);
  const threadsBefore = threadMicrosOf(pid);
  const result = await load.run({ ...job, seconds: plan.measuredSeconds });
  const cpuAtEnd = cpuMicrosOf(pid);
  const atEnd = {
    spans: await fetchSpanCount(gate.baseUrl),
    sinkMicros: await sinkMicros(gate),
    at: performance.now(),
  };
  if (result.answers === 0) throw new Error(`nothing was accepted: ${JSON.stringify(result.failures)}`);

  const accepted = result.answers * cell.spansPerRequest;
  const arrived = isDelivering ? (await arrivalOf(before.spans + accepted, gate)) - before.spans : Number.NaN;
  const elapsedMicros = (atEnd.at - before.at) * 1000;
  return {
    cell,
    subject: name,
    requestsPerSecond: result.timelyAnswers / result.seconds,
    spansPerSecond: (result.timelyAnswers * cell.spansPerRequest) / result.seconds,
    answers: result.answers,
    latencies: result.latencies,
    failures: result.failures,
    meanBodyBytes: result.meanBodyBytes,
    cpuMicrosPerSpan: (cpuMicrosOf(pid) - cpuBefore) / accepted,
    threadMicrosPerSpan: isSidecar ? growth(threadsBefore, threadMicrosOf(pid), accepted) : {},
    subjectCores: (cpuAtEnd - cpuBefore) / elapsedMicros,
    generatorCores: result.generatorLoad,
    sinkCores: (atEnd.sinkMicros - before.sinkMicros) / elapsedMicros,
    spansLeft: isDelivering ? Math.max(0, before.spans + accepted - atEnd.spans) : 0,
    arrivedShare: arrived / accepted,
    memory: memoryOf(pid),
  };
}

function growth(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  spans: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([what, micros]) => [what, (micros - (before[what] ?? 0)) / spans]),
  );
}

/** Spans at the gate, once so many are there or no more are waited for. */
async function arrivalOf(spans: number, gate: GateHandle): Promise<number> {
  const deadlineMs = performance.now() + drainLimitSeconds * 1000;
  let count = await fetchSpanCount(gate.baseUrl);
  while (count < spans && performance.now() < deadlineMs) {
    await setTimeout(pollEveryMs);
    count = await fetchSpanCount(gate.baseUrl);
  }
  return count;
}

async function sinkMicros(gate: GateHandle): Promise<number> {
  return (await gate.read()).sinkCpuMicros;
}

async function endOrderly({ child }: ServerProcess): Promise<void> {
  child.kill("SIGTERM");
  await waitForExit(child, endLimitMs);
}
