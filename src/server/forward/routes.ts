/**
 * Everything of Langfuse's API that is no span, score or event: passed on to the host of the caller's project, with the
 * caller's own Authorization, and the answer back as it came. The project's keys are never lent: from this machine a
 * caller needs none to write spans, and must not get to read with what it does not have.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context, Hono } from "hono";
import { mediaType } from "../../export/answer.ts";
import type { Project, ServerContext } from "../context.ts";
import { badGateway, gatewayTimeout, loop, refusal, tooLarge } from "./failures.ts";
import { headerObject, passedOn } from "./headers.ts";
import { type KeptAnswer, maxPromptBytes, PromptCache, promptKey } from "./prompt-cache.ts";
import { askUpstream, type UpstreamOutcome, type UpstreamRequest } from "./upstream.ts";

/** With a kept answer at hand nobody waits longer for a fresh one: SDKs give up after some seconds. */
const freshPromptLimitMs = 2_000;

export function addForwardRoutes(app: Hono, { projects, options }: ServerContext): void {
  const prompts = new PromptCache();
  // Of this process: a sidecar before another one is no loop.
  const via = `1.1 span-buffer-${randomBytes(4).toString("hex")}`;
  const maxBodyBytes = options.maxRequestBytes;
  const { exportTimeoutMs } = options.buffer;

  app.all("/api/public/*", async (context) => {
    const { incoming, outgoing } = context.env as HttpBindings;
    const authorization = context.req.header("authorization");
    const project = projects.authenticate(authorization);
    if (!("destination" in project)) return refusal(context, project);
    const { baseUrl } = project.destination;
    const { pathname, search } = new URL(context.req.url);
    const url = new URL(`${baseUrl}${pathname}${search}`);
    if (context.req.header("via")?.includes(via) === true) return loop(context, project);
    if (Number(context.req.header("content-length") ?? 0) > maxBodyBytes) return tooLarge(context, maxBodyBytes);

    const key = promptKey({ method: context.req.method, url, baseUrl, authorization });
    const kept = key === undefined ? undefined : prompts.get(key);
    const outcome = await askUpstream({
      method: context.req.method,
      url,
      // Whoever gets a kept answer may not take the compression that another asked for.
      headers: headersFor(incoming, via, key === undefined ? {} : { "accept-encoding": "identity" }),
      body: hasBody(incoming) ? incoming : undefined,
      maxBodyBytes,
      timeoutMs: kept === undefined ? exportTimeoutMs : Math.min(exportTimeoutMs, freshPromptLimitMs),
      signal: goneSignal(outgoing),
    });
    if (kept !== undefined && isAway(outcome)) {
      if (outcome.kind === "answer") outcome.answer.destroy();
      return keptAnswer(context, kept);
    }
    if (outcome.kind !== "answer") return failed(context, project, outcome, { maxBodyBytes, exportTimeoutMs });
    if (key !== undefined) keepWhenWhole(outcome.answer, key, prompts);
    if (context.req.method === "HEAD") return headOf(outcome.answer);
    await passBack(outcome.answer, outgoing);
    return RESPONSE_ALREADY_SENT;
  });
}

function headersFor(
  incoming: IncomingMessage,
  via: string,
  changes: Record<string, string>,
): UpstreamRequest["headers"] {
  return { ...headerObject([...passedOn(incoming.rawHeaders), ["via", via]]), ...changes };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Aborts when the caller goes away before its answer is whole. */
function goneSignal(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** Langfuse cannot answer at the moment, so what it said before counts: no answer, too many requests, a fault of its own. */
function isAway(outcome: UpstreamOutcome): boolean {
  if (outcome.kind !== "answer") return outcome.kind === "failure" || outcome.kind === "timeout";
  const { statusCode = 0 } = outcome.answer;
  return statusCode >= 500 || statusCode === 429 || statusCode === 408;
}

function keptAnswer(context: Context, { body, contentType, atMs }: KeptAnswer): Response {
  return context.body(new Uint8Array(body), 200, {
    "content-type": contentType,
    age: `${Math.floor((performance.now() - atMs) / 1000)}`,
    "x-span-buffer-cache": "stale",
  });
}

/** Remembers a prompt as it streams by. What is gone at Langfuse goes here too. */
function keepWhenWhole(answer: IncomingMessage, key: string, prompts: PromptCache): void {
  const { statusCode, headers } = answer;
  if (statusCode === 404) prompts.delete(key);
  // 200 with a web page comes from something between here and Langfuse.
  if (statusCode !== 200 || mediaType(headers["content-type"]) !== "application/json") return;
  const contentType = headers["content-type"] ?? "application/json";
  const chunks: Buffer[] = [];
  let bytes = 0;
  answer.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxPromptBytes) chunks.push(chunk);
    else chunks.length = 0;
  });
  answer.on("end", () => {
    if (!answer.complete || bytes > maxPromptBytes) return;
    prompts.set(key, { body: Buffer.concat(chunks), contentType, atMs: performance.now() });
  });
}

/** By Hono: it wraps what a route returns for HEAD, so that the word that it has been sent already would be lost. */
function headOf(answer: IncomingMessage): Response {
  answer.resume();
  return new Response(null, { status: answer.statusCode ?? 502, headers: passedOn(answer.rawHeaders) });
}

/** Streams the answer as it comes. One that breaks off breaks the caller's off too: nothing may look whole that is not. */
function passBack(answer: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  if (outgoing.destroyed) answer.destroy();
  return new Promise((resolve) => {
    if (outgoing.destroyed) return resolve();
    outgoing.once("close", resolve);
    answer.once("error", () => outgoing.destroy());
    outgoing.writeHead(answer.statusCode ?? 502, headerObject(passedOn(answer.rawHeaders)));
    answer.pipe(outgoing);
  });
}

function failed(
  context: Context,
  project: Project,
  outcome: Exclude<UpstreamOutcome, { kind: "answer" }>,
  { maxBodyBytes, exportTimeoutMs }: { maxBodyBytes: number; exportTimeoutMs: number },
): Response {
  switch (outcome.kind) {
    case "too-large":
      return tooLarge(context, maxBodyBytes);
    case "timeout":
      return gatewayTimeout(context, project, exportTimeoutMs);
    case "failure":
      return badGateway(context, project, outcome);
    default:
      // Nobody is there to be told.
      return RESPONSE_ALREADY_SENT;
  }
}
