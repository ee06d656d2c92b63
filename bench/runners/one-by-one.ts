/** The usual trial: one process after another, each with a gate and a folder of its own; turns interleaved. */
import { rmSync } from "node:fs";
import type { JobOutcome, Measured } from "../job.ts";
import { runJob } from "../processes.ts";
import { median } from "../statistics.ts";
import type { SubjectRow } from "../subjects.ts";
import type { Runner, RunnerContext } from "../trial.ts";
import { environmentFor, jobFor } from "./jobs.ts";

export const runOneByOne: Runner = async (context, results) => {
  const { turns, rows, trial, isQuick, say } = context;
  const repeats = isQuick ? 1 : (trial.repeats ?? 1);
  for (let turn = 1; turn <= turns; turn++) {
    for (const row of rows) {
      const measured: Measured[] = [];
      for (let repeat = 0; repeat < repeats && !results.isOut(row.subject); repeat++) {
        if (repeat === 0) say(`turn ${turn} of ${turns}: ${row.subject.name}`);
        try {
          const outcome = await runOnce(context, row, turn);
          if (outcome.type === "refused") results.refuse(row.subject, outcome.reason);
          else measured.push(outcome.measured);
        } catch (error) {
          results.fail(row.subject, (error as Error).message);
        }
      }
      const first = measured[0];
      if (first !== undefined) results.add(row.subject, undefined, { turn, ...medianOf(first, measured) });
    }
    if (!results.endTurn(turn)) return;
  }
};

async function runOnce(
  context: RunnerContext,
  row: { subject: SubjectRow; spans: number },
  turn: number,
): Promise<JobOutcome> {
  const directory = context.makeFolder();
  const gate = await context.sink.open(context.trial.gate ?? {});
  const isAway = context.parameters["isAway"] === 1;
  try {
    if (isAway) await gate.leave();
    const job = jobFor(context, row, { baseUrl: gate.baseUrl, directory, turn });
    return await runJob(job, { env: environmentFor(context, row.spans), isKilled: isAway });
  } finally {
    await gate.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function medianOf(first: Measured, all: readonly Measured[]): Measured {
  if (all.length === 1) return first;
  const figures = Object.keys(first.figures).map((name) => [
    name,
    median(all.map((measured) => measured.figures[name] ?? Number.NaN)),
  ]);
  return { ...first, figures: Object.fromEntries(figures) as Measured["figures"] };
}
