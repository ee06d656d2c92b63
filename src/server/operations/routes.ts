/** For those who run the sidecar, and for SDKs that ask whether it is there. None of these needs a key. */
import type { Context, Hono } from "hono";
import type { Registry } from "prom-client";
import type { ServerContext } from "../context.ts";
import type { RunningProject } from "../running-project.ts";
import { BufferMetrics } from "./buffer-metrics.ts";
import { LangfuseVersion } from "./langfuse-version.ts";
import { readinessOf } from "./readiness.ts";
import type { RequestLog } from "./request-log.ts";

export interface Operations {
  registry: Registry;
  requestLog: RequestLog;
  projects: { all(): readonly RunningProject[] };
  isShuttingDown: () => boolean;
}

export function addOperationRoutes(app: Hono, { projects }: ServerContext, operations: Operations): void {
  const { registry, isShuttingDown } = operations;
  const bufferMetrics = new BufferMetrics(registry);
  const langfuseVersion = new LangfuseVersion();

  app.get("/livez", (context) => context.json({ status: "alive" }));
  app.get("/readyz", (context) => {
    const readiness = readinessOf(operations.projects.all(), isShuttingDown());
    return context.json(readiness, readiness.status === "ready" ? 200 : 503);
  });
  app.get("/metrics", async (context) => {
    bufferMetrics.update(operations.projects.all());
    return context.body(await registry.metrics(), 200, { "content-type": registry.contentType });
  });

  // Langfuse's own route: SDKs ask it before they send, and are to send here also while Langfuse is away.
  const health = (context: Context): Response => {
    const project = projects.authenticate(context.req.header("authorization"));
    const { destination } = "destination" in project ? project : (projects.all()[0] ?? { destination: undefined });
    const version = destination === undefined ? undefined : langfuseVersion.of(destination);
    return context.json({ status: "OK", version });
  };
  app.get("/health", health);
  app.get("/api/public/health", health);
}
