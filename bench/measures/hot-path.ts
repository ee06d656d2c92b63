/** What a call costs the caller: at the paces of the trial, then flat out. */
import { makeContents } from "../content.ts";
import { calibrate, driveFlatOut, drivePaced, type Measures, noCalibration } from "../drive.ts";
import type { Figures, Measure } from "../job.ts";
import { curveOf } from "../statistics.ts";
import { fetchQuietSpanCount } from "./arrivals.ts";

/** Enough for the compilers; a subject with few spans warms up with half as many. */
const mostWarmUpSpans = 15_000;
const paces = [1_000, 10_000];

export const measure: Measure = async ({ job, prepare, parameter }) => {
  const { spans, kind, seed, context } = job;
  const subject = prepare();
  const call = (input: unknown): void => subject.call(input);
  const settle = (): Promise<void> => subject.settle();
  const inputsOf = (count: number, offset: number): unknown[] =>
    makeContents(kind, count, seed + offset).map((content) => subject.inputOf(content));

  const warmUpSpans = Math.min(mostWarmUpSpans, Math.ceil(spans / 2));
  const warmUp = inputsOf(warmUpSpans, 0);
  await driveFlatOut({ call, settle, inputs: warmUp, calls: warmUpSpans, calibration: noCalibration });
  const calibration = await calibrate();
  const figures: Figures = { spans };
  for (const pace of paces) {
    const calls = Math.min(spans, Math.round(pace * parameter(`paced${pace}Seconds`)));
    if (calls === 0) continue;
    const inputs = inputsOf(calls, pace);
    const { measures } = await drivePaced({ call, settle, inputs, calls, calibration }, pace);
    Object.assign(figures, named(`paced${pace}`, measures));
  }
  const inputs = inputsOf(spans, 1);
  const arrivedBefore = await fetchQuietSpanCount(context.baseUrl);
  const { measures, callMicros } = await driveFlatOut({ call, settle, inputs, calls: spans, calibration });
  Object.assign(figures, named("flatOut", measures));
  figures["arrivedShare"] = ((await fetchQuietSpanCount(context.baseUrl)) - arrivedBefore) / spans;
  await subject.close();
  return { figures, curve: curveOf(callMicros) };
};

function named(prefix: string, measures: Measures): Figures {
  return Object.fromEntries(Object.entries(measures).map(([name, value]) => [`${prefix}.${name}`, value as number]));
}
