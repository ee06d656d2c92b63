import { getHeapStatistics } from "node:v8";
import type { Destination, ExportReport, ExportTask } from "../workers/messages.ts";
import { hasKeys } from "./clients.ts";
import type { RequestCounter } from "./hiccups.ts";
import { MaskUnavailableError, maskTask } from "./masked-task.ts";
import { redact } from "./redact.ts";

/** What became of a batch. */
export type Outcome = Omit<ExportReport, "requests" | "durationMs" | "memoryBytes">;

/** Sends a batch that is masked already, and counts its requests. */
export type Deliver = (task: ExportTask, counter: RequestCounter) => Promise<Outcome>;

/** What an export thread reports of a batch, whoever delivers it. Never rejects. */
export async function reportOf(task: ExportTask, deliver: Deliver): Promise<ExportReport> {
  const started = performance.now();
  const counter: RequestCounter = { requests: 0 };
  const outcome = await deliverMasked(task, counter, deliver).catch((error: unknown): Outcome => {
    // Nothing was acknowledged, so nothing may be lost: as an outage.
    return { verdict: "retry", reason: faultReason(error, task?.destination), truncated: 0 };
  });
  const { used_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
  const durationMs = performance.now() - started;
  return { ...outcome, requests: counter.requests, durationMs, memoryBytes: heapBytes + externalBytes };
}

async function deliverMasked(task: ExportTask, counter: RequestCounter, deliver: Deliver): Promise<Outcome> {
  if (!hasKeys(task.destination)) {
    return { verdict: "hold", reason: "no keys: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY", truncated: 0 };
  }
  const masked = await maskTask(task);
  return masked.words(await deliver(masked.task, counter));
}

/** The words of an error that nobody foresaw; without them when even that fails. */
export function faultReason(error: unknown, destination: Destination | undefined): string {
  try {
    if (error instanceof MaskUnavailableError) return redact(error.message, destination as Destination);
    const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return redact(`export failed on our side: ${words}`, destination as Destination);
  } catch {
    return "export failed on our side";
  }
}
