/** The ingestion routes before a stand-in, with real buffers; closed with the test. */
import { Hono } from "hono";
import { onTestFinished } from "vitest";
import { resolveOptions, type SpanBufferOptions } from "../../src/options.ts";
import type { Metrics, Project, Refusal } from "../../src/server/context.ts";
import { addIngestionRoutes } from "../../src/server/ingestion/routes.ts";
import { LegacyEvents, type LegacyEventsSetup } from "../../src/server/ingestion/legacy-events.ts";
import { resolveSidecarOptions } from "../../src/server/options.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { eventTaskUrl } from "../../src/thread-files.ts";
import { join } from "node:path";
import { served } from "./traces-support/server.ts";

export const publicKey = "pk-lf-stand-in";
export const secretKey = "sk-lf-stand-in";
const authorization: string = `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`;

/** Short enough for a test, long enough for requests that belong together. */
const shortPatience: LegacyEventsSetup["patience"] = { observation: [600_000, 600_000, 100], trace: [300, 300, 300] };

export interface TestSidecar {
  url: string;
  /** `accepted event 2`, `repeated score 1` … */
  counted: string[];
  said: string[];
  spans: Pipeline;
  events: Pipeline;
  legacy: LegacyEvents;
  close(): Promise<void>;
}

export interface TestSidecarOptions {
  directory: string;
  patience?: LegacyEventsSetup["patience"];
  maxBytes?: number;
  buffer?: SpanBufferOptions;
  commitTimeoutMs?: number;
}

export async function ingestionSidecar(baseUrl: string, options: TestSidecarOptions): Promise<TestSidecar> {
  const { directory, patience = shortPatience, maxBytes, buffer = {}, commitTimeoutMs = 5_000 } = options;
  const said: string[] = [];
  const counted: string[] = [];
  const say = (_fields: unknown, message: string): void => void said.push(message);
  const log = { debug: say, info: say, warn: say, error: say };
  const given = {
    baseUrl,
    publicKey,
    secretKey,
    flushInterval: 0.05,
    exportTimeoutMs: 2_000,
    logger: { warn: () => undefined },
  };
  const resolved = resolveOptions({ ...given, directory, ...buffer }, {});
  const spans = new Pipeline(resolved);
  const events = new Pipeline({ ...resolved, directory: join(directory, "events") }, { taskUrl: eventTaskUrl });
  const sinks = { name: "test", destination: { baseUrl, publicKey, secretKey }, spans, events };
  const legacy = new LegacyEvents({
    directory: join(directory, "held"),
    project: sinks,
    transport: resolved.transport,
    log,
    ...(patience === undefined ? {} : { patience }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  const project: Project = { ...sinks, legacy };
  const refusal: Refusal = {
    status: 401,
    message: "Invalid credentials. Confirm that you've configured the correct host.",
  };
  const metrics: Metrics = {
    accepted: (_, kind, count) => void counted.push(`accepted ${kind} ${count}`),
    rejected: (_, kind, reason, count) => void counted.push(`rejected ${kind} ${count}: ${reason}`),
    repeated: (_, kind, count) => void counted.push(`repeated ${kind} ${count}`),
    unavailable: () => void counted.push("unavailable"),
  };
  const app = new Hono();
  addIngestionRoutes(app, {
    options: { ...resolveSidecarOptions({ buffer: { publicKey, secretKey } }, {}), commitTimeoutMs },
    projects: { authenticate: (header) => (header === authorization ? project : refusal), all: () => [project] },
    log,
    metrics,
  });
  const { url } = await served(app);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      await legacy.close(2_000);
      await Promise.all([spans.shutdown(3_000), events.shutdown(3_000)]);
    })();
    return closing;
  };
  onTestFinished(close);
  return { url, counted, said, spans, events, legacy, close };
}

export interface MultiStatus {
  successes: { id: string; status: number }[];
  errors: { id: string; status: number; message: string; error: string }[];
}

export async function post(
  url: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(`${url}/api/public/${path}`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

export async function postEvents(url: string, batch: readonly unknown[]): Promise<MultiStatus> {
  const response = await post(url, "ingestion", { batch });
  if (response.status !== 207) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as MultiStatus;
}

let eventCount = 0;
const startMs = Date.UTC(2026, 10, 23, 12, 0, 0, 250);

/** @param atMs after noon of a certain day. */
export function isoAt(atMs: number): string {
  return new Date(startMs + atMs).toISOString();
}

export interface TestEvent {
  id: string;
  type: string;
  timestamp: string;
  body: Record<string, unknown>;
}

/** Each has an id of its own, and is a millisecond later than the one before. */
export function event(type: string, body: Record<string, unknown>): TestEvent {
  eventCount++;
  return { id: `event-${eventCount}`, type, timestamp: isoAt(eventCount), body };
}
