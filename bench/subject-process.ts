/**
 * One subject in a process of its own, for one measure. Started by the runner with the job as its only argument; sends
 * one `JobOutcome` to its parent and ends.
 */
import process from "node:process";
import type { Job, JobOutcome } from "./job.ts";
import { measures } from "./measures/all.ts";
import type { PrepareSubject, Subject } from "./subject.ts";

class RefusedError extends Error {}

async function run(job: Job): Promise<JobOutcome> {
  const { measure } = await measures[job.measure]();
  const importedAtMs = performance.now();
  const module = (await import(new URL(`subjects/${job.file}`, import.meta.url).href)) as {
    prepare: PrepareSubject<unknown>;
  };
  const importMs = performance.now() - importedAtMs;
  const prepare = (): Subject<unknown> => {
    try {
      return module.prepare(job.context);
    } catch (error) {
      throw new RefusedError((error as Error).message, { cause: error });
    }
  };
  const parameter = (name: string): number => {
    const value = job.parameters[name];
    if (value === undefined) throw new Error(`the trial gives no "${name}"`);
    return value;
  };
  try {
    return { type: "measured", measured: await measure({ job, prepare, importMs, parameter }) };
  } catch (error) {
    if (error instanceof RefusedError) return { type: "refused", reason: error.message };
    throw error;
  }
}

// A runner that is gone must not leave its subjects behind.
process.once("disconnect", () => process.exit(1));
const outcome = await run(JSON.parse(process.argv[2] ?? "") as Job);
process.removeAllListeners("disconnect");
process.send?.(outcome, () => process.exit(0));
