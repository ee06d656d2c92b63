/** What a user looks up: health, projects, traces, observations, as Langfuse's public API answers. */
import type { Context, Hono } from "hono";
import { accessOf, type Keys } from "./access.ts";
import { objectOf, type StoredSpan, shown } from "./observation.ts";
import type { Storage } from "./storage.ts";

const defaultPageSize = 50;
const maxPageSize = 100;

const project = {
  id: "project-stand-in",
  name: "Stand-in",
  // Langfuse's Python SDK takes no project without it.
  organization: { id: "organization-stand-in", name: "Stand-in" },
  metadata: {},
};

/** The one prompt that there is. */
const prompt = {
  id: "prompt-stand-in",
  name: "greeting",
  version: 1,
  type: "text",
  prompt: "Hello {{name}}!",
  config: {},
  labels: ["production", "latest"],
  tags: [],
  commitMessage: null,
};

export interface LookUpOptions {
  keys: Keys;
  storage: Storage;
  version: string;
}

export function addLookUpRoutes(app: Hono, { keys, storage, version }: LookUpOptions): void {
  app.get("/api/public/health", (context) => context.json({ status: "OK", version }));
  app.use("/api/public/*", async (context, next) => {
    if (context.req.method !== "GET" || context.req.path === "/api/public/health") return await next();
    const access = accessOf(context.req.header("authorization"), keys);
    if (access.kind === "refused") return context.json({ message: access.message }, 401);
    if (access.kind === "scores-only") return context.json({ message: "Access denied: use Basic authentication" }, 403);
    return await next();
  });
  app.get("/api/public/projects", (context) => context.json({ data: [project] }));
  app.get("/api/public/v2/prompts/:name", (context) => {
    const name = context.req.param("name");
    return name === prompt.name ? context.json(prompt) : notFound(context, `Prompt not found: ${name}`);
  });
  app.get("/api/public/traces", (context) => {
    const traces = storage.traceIds().map((id) => traceOf(id, storage));
    return context.json(paged(context, traces.filter(matching(context, ["userId", "sessionId", "name"]))));
  });
  app.get("/api/public/traces/:id", (context) => {
    const id = context.req.param("id");
    const observations = storage.spansOfTrace(id);
    const isKnown = observations.length > 0 || Object.keys(storage.trace(id)).length > 0;
    if (!isKnown) return notFound(context, `Trace ${id} not found`);
    const scores = storage.scores().filter(({ traceId }) => traceId === id);
    return context.json({ ...traceOf(id, storage), observations, scores });
  });
  for (const path of ["/api/public/scores", "/api/public/v2/scores"]) {
    app.get(path, (context) => {
      const fields = ["name", "traceId", "observationId", "sessionId", "dataType"];
      return context.json(paged(context, storage.scores().filter(matching(context, fields))));
    });
  }
  app.get("/api/public/observations", (context) => {
    const traceId = context.req.query("traceId");
    const spans = traceId === undefined ? storage.spans() : storage.spansOfTrace(traceId);
    const fields = ["name", "type", "userId", "parentObservationId", "level", "environment"];
    return context.json(paged(context, spans.filter(matching(context, fields))));
  });
  app.get("/api/public/observations/:id", (context) => {
    const id = context.req.param("id");
    const found = storage.spans().find((span) => span.id === id);
    return found === undefined ? notFound(context, `Observation ${id} not found`) : context.json(found);
  });
}

interface Trace extends Record<string, unknown> {
  id: string;
}

/** A trace is made of its root, and of what any of its spans says of it. */
function traceOf(id: string, storage: Storage): Trace {
  const spans = storage.spansOfTrace(id);
  const row = storage.trace(id);
  const root = spans.find(({ parentObservationId }) => parentObservationId === null);
  const first = <Name extends keyof StoredSpan>(name: Name): StoredSpan[Name] | null =>
    spans.find((span) => span[name] !== null)?.[name] ?? null;
  return {
    id,
    name: row["name"] ?? first("traceName") ?? root?.name ?? null,
    timestamp: row["timestamp"] ?? root?.startTime ?? first("startTime"),
    userId: first("userId") ?? row["userId"] ?? null,
    sessionId: first("sessionId") ?? row["sessionId"] ?? null,
    tags: [...new Set([...spans.flatMap(({ tags }) => tags), ...((row["tags"] as string[] | undefined) ?? [])])],
    public: spans.some((span) => span.public) || row["public"] === true,
    release: first("release") ?? row["release"] ?? null,
    environment: first("environment") ?? row["environment"] ?? null,
    metadata: objectOf(
      spans.find(({ traceMetadata }) => Object.keys(traceMetadata).length > 0)?.traceMetadata ?? row["metadata"],
    ),
    input: row["input"] === undefined ? (root?.input ?? null) : shown(row["input"]),
    output: row["output"] === undefined ? (root?.output ?? null) : shown(row["output"]),
  };
}

function matching(context: Context, fields: readonly string[]): (item: object) => boolean {
  const wanted = fields
    .map((name) => [name, context.req.query(name)] as const)
    .filter(([, value]) => value !== undefined);
  const tags = context.req.queries("tags") ?? [];
  return (item) => {
    const record = item as Record<string, unknown>;
    const hasTags = tags.every((tag) => (record["tags"] as string[] | undefined)?.includes(tag) === true);
    return hasTags && wanted.every(([name, value]) => record[name] === value);
  };
}

function paged(context: Context, items: readonly unknown[]): unknown {
  const page = Math.max(1, Number(context.req.query("page") ?? 1) || 1);
  const limit = Math.min(maxPageSize, Math.max(1, Number(context.req.query("limit") ?? defaultPageSize) || 1));
  return {
    data: items.slice((page - 1) * limit, page * limit),
    meta: { page, limit, totalItems: items.length, totalPages: Math.ceil(items.length / limit) },
  };
}

function notFound(context: Context, message: string): Response {
  return context.json({ error: "LangfuseNotFoundError", message }, 404);
}
