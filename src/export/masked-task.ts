/**
 * A task's payloads with what the option `mask` hides. It is the first thing that an export thread does with them, so
 * that nothing else, neither a request nor a reason, has ever seen the values.
 */
import { FunctionMask } from "../mask/function-mask.ts";
import { loadMask } from "../mask/load-mask.ts";
import type { MaskSpec } from "../mask/mask-rules.ts";
import { maskStored } from "../mask/mask-stored.ts";
import type { ValueMask } from "../mask/mask-tree.ts";
import type { ExportReport, ExportTask, SpanVerdict } from "../workers/messages.ts";

type Words = Pick<ExportReport, "reason" | "spans" | "notice">;

/** What is known of the mask of one task. */
export interface TaskMask {
  task: ExportTask;
  /** The report with its words masked: a server may repeat in them what it was sent, and we what we were given. */
  words<Report extends Words>(report: Report): Report;
}

/** @throws MaskUnavailableError when there is no mask to be had: then nothing may leave. */
export async function maskTask(task: ExportTask): Promise<TaskMask> {
  if (task.mask === undefined) return { task, words: (report) => report };
  const mask = await maskFor(task.mask);
  const failuresBefore = failuresOf(mask);
  const masked = maskPayloads(task, mask);
  const failures = failuresOf(mask) - failuresBefore;
  const notice =
    failures === 0
      ? {}
      : { notice: `the mask function failed for ${failures} values of a batch; each was sent as [mask failed]` };
  return { task: masked, words: (report) => ({ ...maskWords(report, mask), ...notice }) };
}

export class MaskUnavailableError extends Error {
  constructor(reason: string) {
    super(`nothing leaves, since the module of the option mask is not to be had: ${reason}`);
    this.name = "MaskUnavailableError";
  }
}

async function maskFor(spec: MaskSpec): Promise<ValueMask> {
  try {
    return await loadMask(spec);
  } catch (error) {
    throw new MaskUnavailableError((error as Error).message);
  }
}

function maskPayloads(task: ExportTask, mask: ValueMask): ExportTask {
  const bytes = Buffer.from(task.payloads.buffer, task.payloads.byteOffset, task.payloads.length);
  let end = 0;
  const parts = task.lengths.map((length) =>
    Buffer.from(maskStored(bytes.toString("utf8", end, (end += length)), mask)),
  );
  const payloads = new Uint8Array(Buffer.concat(parts));
  // Given back at once: a collector that sees only a small heap lets many such megabytes wait.
  task.payloads.buffer.transfer(0);
  return { ...task, payloads, lengths: parts.map(({ length }) => length) };
}

function maskWords<Report extends Words>(report: Report, mask: ValueMask): Report {
  const { reason, spans } = report;
  return {
    ...report,
    ...(reason === undefined ? {} : { reason: mask.text(reason, ["reason"]) }),
    ...(spans === undefined ? {} : { spans: spans.map((verdict) => maskVerdict(verdict, mask)) }),
  };
}

function maskVerdict(verdict: SpanVerdict, mask: ValueMask): SpanVerdict {
  return verdict.reason === undefined ? verdict : { ...verdict, reason: mask.text(verdict.reason, ["reason"]) };
}

function failuresOf(mask: ValueMask): number {
  return mask instanceof FunctionMask ? mask.failures : 0;
}
