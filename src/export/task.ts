/**
 * The tasks of an export thread (Piscina calls them by name). Several run at once in a thread. Neither ever throws:
 * whatever happens becomes a report, because an error that crosses the threads would take the batch's outcome with it.
 */
import type { AuthCheckResult, AuthCheckTask, ExportReport, ExportTask, SpanVerdict } from "../workers/messages.ts";
import { returnMemoryIfWanted } from "../workers/memory-return.ts";
import { stepBack } from "../workers/thread-priority.ts";
import { authCheck } from "./auth-check.ts";
import { type Delivery, type DeliveryResult, deliver } from "./deliver.ts";
import { discover, forgetServer } from "./discover.ts";
import type { RequestCounter } from "./hiccups.ts";
import { dependsOnVersion, ingestionPlan } from "./ingestion.ts";
import { withMedia } from "./media-task.ts";
import { faultReason, type Outcome, reportOf } from "./report.ts";
import { StoredBatch } from "./stored-batch.ts";

stepBack();
returnMemoryIfWanted();

/** Delivers one batch. */
export function send(task: ExportTask): Promise<ExportReport> {
  return reportOf(task, (masked, counter) => withMedia(masked, counter, (ready) => sendBatch(ready, counter)));
}

/** Says whether the keys work and what is wrong if not. */
export async function checkAuth(task: AuthCheckTask): Promise<AuthCheckResult> {
  return authCheck(task).catch((error: unknown): AuthCheckResult => {
    return { ok: false, cause: "server-error", reason: faultReason(error, task?.destination) };
  });
}

async function sendBatch(task: ExportTask, counter: RequestCounter): Promise<Outcome> {
  const batch = new StoredBatch(task.payloads, task.lengths);
  try {
    return await sendValid(task, batch, counter);
  } catch (error) {
    // Rare enough to look for the culprit only now: building each span's request by itself costs as much as sending.
    if (!batch.rejectUnbuildable((payload) => ingestionPlan([payload], undefined))) throw error;
    return await sendValid(task, batch, counter);
  } finally {
    // Given back at once: a collector that sees only a small heap lets many such megabytes wait.
    task.payloads.buffer.transfer(0);
  }
}

async function sendValid(task: ExportTask, batch: StoredBatch, counter: RequestCounter): Promise<Outcome> {
  const { destination, timeoutMs, sender } = task;
  // Nearly always the request that will be sent; it tells the invalid spans before anything is asked of the server.
  if (task.transport === "ingestion") batch.payloads();
  else if (sender === "direct") batch.protobufRequest();
  else batch.otlpRequest();
  if (batch.validCount === 0) return withInvalid(batch, undefined);
  const { transport } = task;
  const mustAsk = transport === "auto" || (transport === "ingestion" && dependsOnVersion(batch.payloads()));
  const discovery = mustAsk ? await discover(destination, timeoutMs, counter) : undefined;
  // Told to use ingestion, a server without a health route gets what every server knows; one that is away gets nothing.
  if (discovery?.trouble !== undefined && (transport === "auto" || discovery.trouble.status === undefined)) {
    const { verdict, ...trouble } = discovery.trouble;
    return { ...trouble, verdict: verdict === "wait" ? "wait" : "retry", truncated: 0 };
  }
  const server = discovery?.server;
  const delivery: Delivery = {
    destination,
    transport: transport === "auto" ? (server?.transport ?? "otlp") : transport,
    sender,
    compression: task.compression,
    serverMajor: server?.major,
    timeoutMs,
  };
  const result = await deliver(batch, delivery, counter);
  if (result.verdict === "change-transport") forgetServer(destination);
  return withInvalid(batch, result);
}

/**
 * The verdict for the whole task. Invalid spans are told apart only where the others are settled: with any other
 * verdict the batch comes again, and they are found again, at no cost.
 */
function withInvalid({ reasons }: StoredBatch, result: DeliveryResult | undefined): Outcome {
  const invalid = reasons.find((reason) => reason !== undefined);
  if (result !== undefined && (invalid === undefined || !isSettled(result))) return result;
  const rest = { truncated: result?.truncated ?? 0, ...(result === undefined ? {} : { transport: result.transport }) };
  if (reasons.length === 1) return { verdict: "rejected", reason: invalid ?? "", ...rest };
  let delivered = 0;
  const spans = reasons.map((reason): SpanVerdict => {
    if (reason !== undefined) return { outcome: "rejected", reason };
    return result?.spans?.[delivered++] ?? { outcome: "acknowledged" };
  });
  return { verdict: "per-span", spans, ...rest };
}

function isSettled({ verdict }: DeliveryResult): boolean {
  return verdict === "acknowledged" || verdict === "per-span";
}
