/** From a trial and a subject to a job and the environment of its process. */
import type { Job } from "../job.ts";
import type { SubjectRow } from "../subjects.ts";
import type { RunnerContext } from "../trial.ts";

export function jobFor(
  { trial, parameters }: RunnerContext,
  { subject, spans }: { subject: SubjectRow; spans: number },
  { baseUrl, directory, turn }: { baseUrl: string; directory: string; turn: number },
): Job {
  const ourOptions = subject.isOurs ? trial.ourOptions : {};
  return {
    measure: trial.measure,
    file: subject.file,
    context: { baseUrl, directory, options: { ...subject.options, ...ourOptions } },
    kind: trial.kind,
    spans,
    seed: turn * 1000,
    parameters,
  };
}

/** OTel's default queue of 2,048 drops spans flat out, and a span that is dropped costs no export. */
export function environmentFor({ trial }: RunnerContext, spans: number): Record<string, string> {
  return trial.hasLongOtelQueue === true ? { OTEL_BSP_MAX_QUEUE_SIZE: String(Math.max(2048, spans)) } : {};
}
