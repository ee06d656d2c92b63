/** The two routes that take spans. */
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Context, Hono } from "hono";
import { type Access, accessOf, type Keys } from "./access.ts";
import type { FaultOutcome } from "./faults.ts";
import { type EventResult, type IngestionEvent, isObservation, judgeEvent } from "./ingestion-request.ts";
import { decodeOtlpRequest } from "../otlp/decode-protobuf.ts";
import { readOtlpRequest } from "./otlp-request.ts";
import type { OtlpRequest } from "../otlp/otlp-shape.ts";
import type { Storage } from "./storage.ts";

/** What the real routes take, in bytes; Cloud documents the first, the second was measured. */
const otlpLimitBytes = 5_000_000;
const ingestionLimitBytes = 4_718_592;

/** The newest value of `x-langfuse-ingestion-version`. */
const newestIngestionVersion = 4;

const unzip = promisify(gunzip);

export interface SpanRouteOptions {
  keys: Keys;
  storage: Storage;
  /** OTLP is there and the ingestion route refuses traces, or the other way round. */
  generation: "otlp" | "ingestion";
  faultOf: (context: Context) => FaultOutcome;
  cut: (context: Context) => void;
  /** These spans have been stored; whether the answer will come through is open. */
  onStored: (context: Context, spanIds: readonly string[]) => void;
  /** These were stored too, but the answer refuses the trace that came with them. */
  onTraceRefused: (spanIds: readonly string[]) => void;
}

export function addSpanRoutes(app: Hono, options: SpanRouteOptions): void {
  if (options.generation === "otlp") {
    app.post("/api/public/otel/v1/traces", (context) => takeOtlp(context, options));
  }
  app.post("/api/public/ingestion", (context) => takeEvents(context, options));
  app.post("/api/public/scores", (context) => takeScores(context, options));
}

/** One score, or a list of them, as Langfuse's Python SDK sends them from version 5 on. */
async function takeScores(context: Context, { keys, storage }: SpanRouteOptions): Promise<Response> {
  const access = accessOf(context.req.header("authorization"), keys);
  if (access.kind === "refused") return context.json({ error: "UnauthorizedError", message: access.message }, 401);
  const json = await context.req.json<Record<string, unknown> | Record<string, unknown>[]>();
  const results = [json].flat().map((body) => {
    const id = typeof body["id"] === "string" ? body["id"] : randomUUID();
    return judgeEvent({ id, type: "score-create", timestamp: new Date().toISOString(), body: { ...body, id } }, false);
  });
  const stored = results.flatMap(({ event, status }) => (status === 201 ? [event] : []));
  const errors = results.flatMap(({ status, error }) => (status === 201 ? [] : [error]));
  storage.storeEvents(stored);
  if (!Array.isArray(json)) {
    const [error] = errors;
    return error === undefined
      ? context.json({ id: stored[0]?.id })
      : context.json({ message: "Invalid request data", error }, 400);
  }
  if (errors.length === 0) return context.json({ message: "Accepted" }, 202);
  const messages = errors.map((message) => ({ message }));
  return context.json({ accepted: stored.length, rejected: errors.length, errors: messages }, 207);
}

async function takeOtlp(context: Context, options: SpanRouteOptions): Promise<Response> {
  const access = accessOf(context.req.header("authorization"), options.keys);
  const body = await bodyOf(context, options.faultOf(context).limitBytes ?? otlpLimitBytes);
  if (access.kind === "refused") return context.json({ message: access.message }, 401);
  if (access.kind === "scores-only") return context.json({ message: "Access denied: use Basic authentication" }, 403);
  if (body === undefined) return context.text("Body exceeded 5mb limit", 413);
  const version = context.req.header("x-langfuse-ingestion-version");
  if (version !== undefined && !(Number(version) <= newestIngestionVersion)) {
    return context.json({ error: `Unsupported x-langfuse-ingestion-version: ${version}` }, 400);
  }
  const contentType = context.req.header("content-type") ?? "";
  let request: OtlpRequest;
  try {
    if (contentType.startsWith("application/x-protobuf")) request = decodeOtlpRequest(body);
    else if (contentType.startsWith("application/json")) request = JSON.parse(body.toString()) as OtlpRequest;
    else return context.json({ error: `Invalid content type: ${contentType}` }, 400);
  } catch {
    return context.json({ error: "Failed to parse OTel request body" }, 400);
  }
  const spans = readOtlpRequest(request);
  if ("error" in spans) return context.json({ error: spans.error }, 400);
  options.storage.storeOtlp(spans);
  const ids = spans.map(({ span }) => span.spanId);
  // As the real one: JSON, but not OTLP's response.
  return answerStored(context, options, ids, () => context.json({ status: "queued", spans: spans.length }));
}

async function takeEvents(context: Context, options: SpanRouteOptions): Promise<Response> {
  const access = accessOf(context.req.header("authorization"), options.keys);
  const body = await bodyOf(context, options.faultOf(context).limitBytes ?? ingestionLimitBytes);
  if (access.kind === "refused") {
    return context.json({ error: "UnauthorizedError", message: access.message }, 401);
  }
  if (body === undefined) return context.text("Body exceeded 4.5mb limit", 413);
  let batch: IngestionEvent[];
  try {
    ({ batch } = JSON.parse(body.toString()) as { batch: IngestionEvent[] });
  } catch {
    return context.json({ message: "Invalid JSON" }, 400);
  }
  if (!Array.isArray(batch)) return context.json({ message: "Invalid request data", errors: ["batch"] }, 400);
  const results = judge(batch, access, options, options.faultOf(context));
  const stored = results
    .filter(({ status, isIgnored }) => status === 201 && isIgnored !== true)
    .map(({ event }) => event);
  options.storage.storeEvents(stored);
  // What updates a span is no arrival of one.
  const spans = stored
    .filter(({ type = "" }) => isObservation(type) && !type.endsWith("-update"))
    .map(({ body = {} }) => body);
  const ids = spans.map(({ id }) => String(id));
  const refusedTraces = new Set(
    results
      .filter(({ event, status }) => event.type === "trace-create" && status !== 201)
      .map(({ event }) => event.body?.["id"]),
  );
  options.onTraceRefused(spans.filter(({ traceId }) => refusedTraces.has(traceId)).map(({ id }) => String(id)));
  return answerStored(context, options, ids, () => context.json(multiStatus(results), 207));
}

/** The right answer, or what a fault makes of it. */
function answerStored(
  context: Context,
  options: SpanRouteOptions,
  spanIds: readonly string[],
  rightAnswer: () => Response,
): Response {
  options.onStored(context, spanIds);
  const { afterStored } = options.faultOf(context);
  if (afterStored === "cut") options.cut(context);
  if (afterStored !== "stall") return rightAnswer();
  const beginning = new ReadableStream({
    start: (stream) => stream.enqueue(new TextEncoder().encode('{"successes":[')),
  });
  return context.body(beginning, 200, { "content-type": "application/json" });
}

function judge(
  batch: readonly IngestionEvent[],
  access: Access,
  options: SpanRouteOptions,
  fault: FaultOutcome,
): EventResult[] {
  return batch.map((event, index) => {
    if (access.kind === "scores-only" && event.type !== "score-create") {
      return { event, status: 401, error: "Access Scope Denied" };
    }
    if (fault.partialStatus !== undefined && index % 2 === 1) {
      return { event, status: fault.partialStatus, error: "switched to fail" };
    }
    return judgeEvent(event, options.generation === "ingestion");
  });
}

function multiStatus(results: readonly EventResult[]): unknown {
  const successes: unknown[] = [];
  const errors: unknown[] = [];
  for (const { event, status, error } of results) {
    if (event.type === "sdk-log") continue;
    if (status === 201) successes.push({ id: event.id, status });
    else errors.push({ id: event.id ?? "unknown", status, message: error, error });
  }
  return { successes, errors };
}

/** The body, unzipped; `undefined` when it is larger than allowed. */
async function bodyOf(context: Context, limitBytes: number): Promise<Buffer | undefined> {
  const raw = Buffer.from(await context.req.arrayBuffer());
  if (raw.length > limitBytes) return undefined;
  if (context.req.header("content-encoding") !== "gzip") return raw;
  try {
    return await unzip(raw, { maxOutputLength: limitBytes });
  } catch {
    return undefined;
  }
}
