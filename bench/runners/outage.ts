/**
 * Langfuse is away: all subjects and all lengths at the same time, each in a process of its own with a gate of its own,
 * at a pace that leaves the machine idle. Ten minutes are one, with all limits divided by ten where a subject allows it.
 */
import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { Figures, Job, JobOutcome, ProcessMessage } from "../job.ts";
import { end, outcomeOf, readinessOf, startJob } from "../processes.ts";
import type { GateHandle } from "../sink-handle.ts";
import type { SubjectRow } from "../subjects.ts";
import type { ResultCollector, Runner, RunnerContext } from "../trial.ts";
import { jobFor } from "./jobs.ts";

/** Spans that arrive before the outage: connections are open and code is compiled. */
const healthyMs = 2_000;
/** Starting many at once would make each start late. */
const startsAtOnce = 2;

interface Outage {
  title: string;
  /** In units of the trial's longest. */
  share: number;
  isTenth: boolean;
}

const outages: readonly Outage[] = [
  { title: "5 s", share: 5 / 60, isTenth: false },
  { title: "60 s", share: 1, isTenth: false },
  { title: "10 min ÷ 10", share: 1, isTenth: true },
];

interface Running {
  subject: SubjectRow;
  outage: Outage;
  gate: GateHandle;
  directory: string;
  child: ChildProcess;
  outcome: Promise<JobOutcome>;
  readiness: Promise<ProcessMessage>;
}

export const runOutage: Runner = async (context, results) => {
  const { rows, trial, say } = context;
  const running: Running[] = [];
  const longestMs = (context.parameters["longestSeconds"] ?? 60) * 1000;
  try {
    const wanted = rows.flatMap((row) => outages.map((outage) => ({ row, outage })));
    for (let at = 0; at < wanted.length; at += startsAtOnce) {
      const started = await Promise.all(
        wanted.slice(at, at + startsAtOnce).map(({ row, outage }) => startOne(context, row, outage)),
      );
      for (const one of started) if (await isUp(one, results)) running.push(one);
    }
    await setTimeout(healthyMs);
    say(`${running.length} processes, the sink is away for up to ${longestMs / 1000} s`);
    const figures = await Promise.all(running.map((one) => goThrough(one, longestMs, results)));
    for (const [index, { subject, outage }] of running.entries()) {
      const own = figures[index];
      if (own !== undefined) results.add(subject, outage.title, { turn: 1, figures: own });
    }
    for (const { subject } of rows) {
      if (subject.tenth !== undefined && !results.isOut(subject))
        results.remark(`÷ 10, ${subject.title}: ${subject.tenth.note}`);
    }
    results.endTurn(1);
  } finally {
    for (const { child, directory } of running) {
      await end(child);
      rmSync(directory, { recursive: true, force: true });
    }
    say(`${trial.name} is over`);
  }
};

async function startOne(
  context: RunnerContext,
  row: { subject: SubjectRow; spans: number },
  outage: Outage,
): Promise<Running> {
  const { subject } = row;
  const directory = context.makeFolder();
  const gate = await context.sink.open({ isExact: true });
  const plain = jobFor(context, row, { baseUrl: gate.baseUrl, directory, turn: 1 });
  const tenth = outage.isTenth ? subject.tenth : undefined;
  const job: Job = {
    ...plain,
    context: { ...plain.context, options: { ...plain.context.options, ...tenth?.options } },
  };
  const child = startJob(job, tenth?.env === undefined ? {} : { env: tenth.env });
  const outcome = outcomeOf(child);
  // Listened for from the start: a message that nobody waits for is gone.
  const readiness = readinessOf(child);
  for (const promise of [outcome, readiness]) promise.catch(() => undefined);
  return { subject, outage, gate, directory, child, outcome, readiness };
}

async function isUp(
  { subject, child, directory, gate, readiness }: Running,
  results: ResultCollector,
): Promise<boolean> {
  try {
    const message = await readiness;
    if (message.type === "ready") return true;
    if (message.type === "refused" && !results.isOut(subject)) results.refuse(subject, message.reason);
  } catch (error) {
    results.fail(subject, (error as Error).message);
  }
  await end(child);
  await gate.close();
  rmSync(directory, { recursive: true, force: true });
  return false;
}

async function goThrough(one: Running, longestMs: number, results: ResultCollector): Promise<Figures | undefined> {
  const { subject, outage, gate, child, outcome } = one;
  try {
    await gate.leave();
    await setTimeout(longestMs * outage.share);
    await gate.return();
    child.send("over");
    const result = await outcome;
    if (result.type === "refused") throw new Error(result.reason);
    const { sent, settleMs } = result.measured.figures as { sent: number; settleMs: number };
    const { spans, distinct } = await gate.read();
    return { sent, settleMs, arrivedShare: distinct / sent, twice: spans - distinct };
  } catch (error) {
    results.fail(subject, `${outage.title}: ${(error as Error).message}`);
    return undefined;
  }
}
