import { Hono } from "hono";
import type { ServerContext } from "./context.ts";
import { addForwardRoutes } from "./forward/routes.ts";
import { addIngestionRoutes } from "./ingestion/routes.ts";
import { addOperationRoutes } from "./operations/routes.ts";
import { addTraceRoutes } from "./traces/routes.ts";

/** All routes. The last, for what is forwarded to Langfuse, takes every path under /api/public that no other took. */
export function createApp(context: ServerContext): Hono {
  const app = new Hono();
  addOperationRoutes(app, context);
  addTraceRoutes(app, context);
  addIngestionRoutes(app, context);
  addForwardRoutes(app, context);
  return app;
}
