/**
 * One subject in a process of its own. Started by run.ts with the job as its only argument (JSON); sends one `TurnResult`
 * to its parent and ends by itself.
 */
import process from "node:process";
import { type Calibration, driveFlatOut, drivePaced, type Measures, noCalibration } from "./drive.ts";
import { type Generation, makeGenerations } from "./span.ts";
import type { PrepareSubject, Subject, SubjectContext } from "./subject.ts";

export interface TurnJob {
  /** Module in bench/subjects. */
  file: string;
  context: SubjectContext;
  flatOutSpans: number;
  pacedSpans: number;
  warmUpSpans: number;
  /** Ask the sink what has arrived? */
  isSending: boolean;
  seed: number;
}

export interface TurnResult {
  calibration: Calibration;
  flatOut: Measures;
  paced: Measures;
  /** Spans of the flat-out run that the sink has seen; absent for a subject that sends nothing. */
  arrivedSpans?: number;
}

/** Calls in the empty run: enough that its CPU is many times what reading the account is wrong by. */
const calibrationCalls = 100_000;

const emptyCall = (): void => {};
const emptySettle = async (): Promise<void> => {};

async function runTurn(job: TurnJob): Promise<TurnResult> {
  const { prepare } = (await import(new URL(`subjects/${job.file}`, import.meta.url).href)) as {
    prepare: PrepareSubject<unknown>;
  };
  const subject = prepare(job.context);
  const result = await measureSubject(subject, job);
  await subject.close();
  return result;
}

async function measureSubject(subject: Subject<unknown>, job: TurnJob): Promise<TurnResult> {
  const call = (input: unknown): void => subject.call(input);
  const settle = (): Promise<void> => subject.settle();
  const inputsOf = (count: number, seed: number): unknown[] =>
    makeGenerations(count, seed).map((generation: Generation) => subject.inputOf(generation));

  await driveFlatOut({ call, settle, inputs: inputsOf(job.warmUpSpans, job.seed), calibration: noCalibration });
  const calibration = await calibrate();
  const paced = await drivePaced({ call, settle, inputs: inputsOf(job.pacedSpans, job.seed + 1), calibration });
  const inputs = inputsOf(job.flatOutSpans, job.seed + 2);
  const arrivedBefore = job.isSending ? await arrivedSpans(job.context.baseUrl) : 0;
  const flatOut = await driveFlatOut({ call, settle, inputs, calibration });
  if (!job.isSending) return { calibration, flatOut, paced };
  return { calibration, flatOut, paced, arrivedSpans: (await arrivedSpans(job.context.baseUrl)) - arrivedBefore };
}

async function calibrate(): Promise<Calibration> {
  const inputs = Array.from({ length: calibrationCalls }, (_, index) => index);
  const drive = { call: emptyCall, settle: emptySettle, inputs, calibration: noCalibration };
  // The first run is for the compilers.
  await driveFlatOut(drive);
  const empty = await driveFlatOut(drive);
  return { callMicros: empty.p50Micros, cpuMicrosPerSpan: empty.cpuMicrosPerSpan };
}

async function arrivedSpans(baseUrl: string): Promise<number> {
  const response = await fetch(`${baseUrl}/bench/arrived`);
  return ((await response.json()) as { spans: number }).spans;
}

// A runner that is gone must not leave its subjects behind.
process.once("disconnect", () => process.exit(1));
const result = await runTurn(JSON.parse(process.argv[2] ?? "") as TurnJob);
process.removeAllListeners("disconnect");
process.send?.(result, () => process.disconnect());
