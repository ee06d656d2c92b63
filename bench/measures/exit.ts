/** Spans flat out, and at once the end of the process: by `process.exit()`, or by the subject's own orderly end. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { epochMs } from "../clock.ts";
import { makeContents } from "../content.ts";
import type { Measure } from "../job.ts";

/** In the job's folder: when the end began (`epochMs`). A message would be sent by a loop that no longer turns. */
export const exitFileName = "exit-at-ms";

export const measure: Measure = async ({ job, prepare, parameter }) => {
  const { kind, spans, seed, context } = job;
  const subject = prepare();
  const makeInputs = (count: number, firstNumber: number): unknown[] =>
    makeContents(kind, count, seed, firstNumber).map((content) => subject.inputOf(content));
  // The threads are up and the first spans delivered, as in a bot that has run for a while.
  for (const input of makeInputs(100, spans)) subject.call(input);
  await subject.settle();
  const inputs = makeInputs(spans, 0);
  for (const input of inputs) subject.call(input);
  writeFileSync(join(context.directory, exitFileName), String(epochMs()));
  if (parameter("isOrderly") === 1) await subject.close();
  process.exit(0);
};
