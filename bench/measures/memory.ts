/** Resident memory: with the subject idle, then under a steady load. The spans are the same few thousand again and again. */
import { setTimeout } from "node:timers/promises";
import { makeContents } from "../content.ts";
import { drivePaced, noCalibration } from "../drive.ts";
import type { Measure } from "../job.ts";
import { residentMb, sampleMemory } from "./memory-samples.ts";

const inputCount = 2_000;
const firstSpans = 100;
/** For threads to come up and to come to rest. */
const idleMs = 1_500;

export const measure: Measure = async ({ job, prepare, parameter }) => {
  const { spans, kind, seed } = job;
  const isAway = parameter("isAway") === 1;
  const subject = prepare();
  const call = (input: unknown): void => subject.call(input);
  // During an outage nothing ever settles.
  const settle = async (): Promise<void> => {
    if (!isAway) await subject.settle();
  };
  const inputs = makeContents(kind, inputCount, seed).map((content) => subject.inputOf(content));

  // The export threads come up with the first spans.
  for (const input of inputs.slice(0, firstSpans)) call(input);
  await settle();
  await setTimeout(idleMs);
  globalThis.gc?.();
  await setTimeout(100);
  const idleMb = residentMb();
  const memory = sampleMemory();
  const spansPerSecond = parameter("spansPerSecond");
  const driven = await drivePaced({ call, settle, inputs, calls: spans, calibration: noCalibration }, spansPerSecond);
  memory.stop();
  if (!isAway) await subject.close();
  return {
    figures: { spans, idleMb, peakMb: memory.peakMb(), callsPerSecond: driven.measures.callsPerSecond },
  };
};
