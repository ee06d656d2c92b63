/**
 * Starts with spans waiting. One journal for each size, made once: what a turn has drained is filled up again before
 * the next. The processes are ended by force, as soon as enough spans have come.
 */
import { cpSync, rmSync } from "node:fs";
import { makeFirstBacklog, prepareBacklog } from "../backlog.ts";
import { runJob } from "../processes.ts";
import type { SubjectRow } from "../subjects.ts";
import type { Runner, RunnerContext } from "../trial.ts";
import { jobFor } from "./jobs.ts";

const sizes = [10_000, 100_000, 1_000_000, 3_000_000];
const quickSizes = [4_000, 20_000];

/** The variant's name of a size. */
export function backlogTitle(spans: number): string {
  return `${spans.toLocaleString("en")} waiting`;
}

export const runDrain: Runner = async (context, results) => {
  const { turns, rows, isQuick, say, makeFolder } = context;
  const folders = new Map<number, string>();
  const seed = makeFolder();
  try {
    await makeFirstBacklog(seed, context.trial.kind);
    for (let turn = 1; turn <= turns; turn++) {
      for (const size of isQuick ? quickSizes : sizes) {
        for (const row of rows) {
          if (results.isOut(row.subject)) continue;
          say(`turn ${turn} of ${turns}: ${row.subject.name}, ${backlogTitle(size)}`);
          try {
            let folder = folders.get(size);
            if (folder === undefined) {
              folder = makeFolder();
              folders.set(size, folder);
              cpSync(seed, folder, { recursive: true });
            }
            await drainOnce(context, { ...row, size, folder, turn }, results);
            // What is drained whole leaves nothing to copy from.
            if (size <= row.spans) {
              rmSync(folder, { recursive: true, force: true });
              folders.delete(size);
            }
          } catch (error) {
            results.fail(row.subject, (error as Error).message);
          }
        }
      }
      if (!results.endTurn(turn)) return;
    }
  } finally {
    for (const folder of [seed, ...folders.values()]) rmSync(folder, { recursive: true, force: true });
  }
};

interface DrainRun {
  subject: SubjectRow;
  /** Most spans to drain. */
  spans: number;
  size: number;
  folder: string;
  turn: number;
}

async function drainOnce(context: RunnerContext, run: DrainRun, results: Parameters<Runner>[1]): Promise<void> {
  const { subject, spans, size, folder, turn } = run;
  const gate = await context.sink.open({});
  try {
    prepareBacklog(folder, size, gate.baseUrl);
    const place = { baseUrl: gate.baseUrl, directory: folder, turn };
    const job = jobFor(context, { subject, spans: Math.min(spans, size) }, place);
    const outcome = await runJob(job, { isKilled: true });
    if (outcome.type === "refused") results.refuse(subject, outcome.reason);
    else
      results.add(subject, backlogTitle(size), {
        turn,
        ...outcome.measured,
        figures: { ...outcome.measured.figures, size },
      });
  } finally {
    await gate.close();
  }
}
