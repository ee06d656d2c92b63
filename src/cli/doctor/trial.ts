/** A trace of our own, through a buffer of our own to Langfuse and back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Answer } from "../../export/answer.ts";
import { isRecord } from "../../export/attribute-values.ts";
import { httpGet } from "../../export/http-get.ts";
import { SpanBuffer } from "../../span-buffer.ts";
import { type Finding, failed, note, ok, skipped } from "./findings.ts";
import type { Patient } from "./patient.ts";

const traceName = "span-buffer doctor";
const shutdownMs = 2_000;
/** For threads and SDK to start, on a busy machine. */
const startMs = 5_000;
const lookEveryMs = 250;

/** The journal of this trace is in a temporary folder: the bot's own is left alone. */
export async function sendTrace(patient: Patient): Promise<Finding> {
  const { options, settings, destination } = patient;
  if (!options.isSending) return skipped("not asked for (--no-send)");
  const directory = mkdtempSync(join(tmpdir(), "span-buffer-doctor-"));
  try {
    const buffer = new SpanBuffer({
      ...settings.options,
      ...destination,
      destinations: undefined,
      enabled: true,
      directory,
      crashLogDirectory: directory,
      durability: "journal",
      sampleRate: 1,
      flushInterval: 0.05,
      exportTimeoutMs: Math.min(settings.options.exportTimeoutMs, options.timeoutMs),
      logger: { warn: () => undefined },
    });
    try {
      return await deliver(buffer, patient);
    } finally {
      await buffer.shutdown({ timeoutMs: shutdownMs });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function deliver(buffer: SpanBuffer, patient: Patient): Promise<Finding> {
  const started = performance.now();
  const span = buffer.startSpan(traceName, {
    traceName,
    input: "a test trace of span-buffer doctor; it may be deleted",
    tags: [traceName],
  });
  span.end();
  const { acknowledged, deadLettered } = await buffer.flush({ timeoutMs: startMs + patient.options.timeoutMs });
  if (acknowledged === 1) {
    patient.traceId = span.traceId;
    return ok(`trace ${span.traceId} acknowledged in ${Math.round(performance.now() - started)} ms`);
  }
  if (deadLettered === 0) {
    return failed("trace-not-delivered", buffer.stats().lastError ?? "it was not acknowledged in time");
  }
  const { letters } = await buffer.deadLetters.list();
  return failed("trace-refused", letters[0]?.reason ?? "refused");
}

/** Where a trace is looked up: on servers with traces, and on those with observations alone. */
const lookUps: readonly { pathOf: (traceId: string) => string; hasFound: (answer: Answer) => boolean }[] = [
  {
    pathOf: (traceId) => `/api/public/traces/${traceId}`,
    hasFound: ({ status, json }) => status === 200 && isRecord(json),
  },
  {
    pathOf: (traceId) => `/api/public/v2/observations?traceId=${traceId}`,
    hasFound: ({ status, json }) =>
      status === 200 && isRecord(json) && Array.isArray(json["data"]) && json["data"].length > 0,
  },
];

/** Servers take their time from the acknowledgement to what their API shows. */
export async function findTrace({ options, destination, traceId }: Patient): Promise<Finding> {
  if (traceId === undefined) return skipped("no trace was sent");
  const started = performance.now();
  let answers: string[] = [];
  do {
    answers = [];
    for (const { pathOf, hasFound } of lookUps) {
      const path = pathOf(traceId);
      const leftMs = options.timeoutMs - (performance.now() - started);
      const outcome = await httpGet(destination, path, Math.max(1, leftMs), { withKeys: true });
      if (outcome.kind === "answer" && hasFound(outcome)) {
        return ok(`found by ${path.split("?", 1)[0]} after ${Math.round(performance.now() - started)} ms`);
      }
      const [route = ""] = path.replace(`/${traceId}`, "").split("?", 1);
      answers.push(`${route}: ${outcome.kind === "answer" ? outcome.status : outcome.failure}`);
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  } while (performance.now() - started < options.timeoutMs);
  return note("trace-not-found", `acknowledged, but not shown by the API yet, or at all (${answers.join(", ")})`);
}
