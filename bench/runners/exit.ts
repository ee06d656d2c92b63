/**
 * A process ends right after its spans: how long does that take, how many have arrived, and how many does the next
 * start of the same subject still deliver?
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { epochMs } from "../clock.ts";
import type { JobOutcome } from "../job.ts";
import { exitFileName } from "../measures/exit.ts";
import { end, exitOf, outcomeOf, runJob, startJob } from "../processes.ts";
import type { GateHandle } from "../sink-handle.ts";
import type { SubjectRow } from "../subjects.ts";
import type { ResultCollector, Runner, RunnerContext } from "../trial.ts";
import { environmentFor, jobFor } from "./jobs.ts";

const ways = [
  { title: "process.exit()", isOrderly: 0 },
  { title: "its own shutdown", isOrderly: 1 },
];

/** Spans that were delivered before, in exit.ts of bench/measures. */
const earlierSpans = 100;
/** For what the sink has received and not yet counted. */
const lastArrivalsMs = 100;

export const runExit: Runner = async (context, results) => {
  const { turns, rows, say } = context;
  for (let turn = 1; turn <= turns; turn++) {
    for (const row of rows) {
      for (const way of ways) {
        if (results.isOut(row.subject)) continue;
        say(`turn ${turn} of ${turns}: ${row.subject.name}, ${way.title}`);
        try {
          await exitOnce(context, { ...row, way, turn }, results);
        } catch (error) {
          results.fail(row.subject, (error as Error).message);
        }
      }
    }
    if (!results.endTurn(turn)) return;
  }
};

async function exitOnce(
  context: RunnerContext,
  { subject, spans, way, turn }: { subject: SubjectRow; spans: number; way: (typeof ways)[number]; turn: number },
  results: ResultCollector,
): Promise<void> {
  const directory = context.makeFolder();
  const gate = await context.sink.open({ isExact: true });
  const job = jobFor(context, { subject, spans }, { baseUrl: gate.baseUrl, directory, turn });
  const child = startJob(
    { ...job, parameters: { isOrderly: way.isOrderly } },
    { env: environmentFor(context, spans + earlierSpans) },
  );
  try {
    const refusal = refusalOf(outcomeOf(child));
    await exitOf(child);
    const endedAtMs = epochMs();
    const reason = await refusal;
    if (reason !== undefined) {
      results.refuse(subject, reason);
      return;
    }
    const exitMs = endedAtMs - Number(readFileSync(join(directory, exitFileName), "utf8"));
    await setTimeout(lastArrivalsMs);
    const atExit = await arrivedShare(gate, spans);
    if (subject.isOurs) await runJob({ ...job, measure: "recover" });
    const figures = { spans, exitMs, arrivedAtExit: atExit, arrivedShare: await arrivedShare(gate, spans) };
    results.add(subject, way.title, { turn, figures });
  } finally {
    await end(child);
    await gate.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function arrivedShare(gate: GateHandle, spans: number): Promise<number> {
  const { distinct } = await gate.read();
  return Math.max(0, distinct - earlierSpans) / spans;
}

/** A process of this trial has no result; all it can say is that it was refused. */
async function refusalOf(outcome: Promise<JobOutcome>): Promise<string | undefined> {
  try {
    const value = await outcome;
    return value.type === "refused" ? value.reason : undefined;
  } catch {
    return undefined;
  }
}
