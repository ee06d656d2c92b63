import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import type { ServerContext } from "./context.ts";
import { addForwardRoutes } from "./forward/routes.ts";
import { addIngestionRoutes } from "./ingestion/routes.ts";
import { addOperationRoutes, type Operations } from "./operations/routes.ts";
import { addTraceRoutes } from "./traces/routes.ts";

/** An unexpected error is no reason for a client to throw its spans away, as it would after a 500. */
const retryAfterSeconds = "5";

/** All routes. The last, for what is forwarded to Langfuse, takes every path under /api/public that no other took. */
export function createApp(context: ServerContext, operations: Operations): Hono {
  const app = new Hono();
  app.use("*", operations.requestLog.middleware);
  addOperationRoutes(app, context, operations);
  addTraceRoutes(app, context);
  addIngestionRoutes(app, context);
  addForwardRoutes(app, context);
  app.notFound((request) =>
    request.json({ message: "No such route: OTLP goes to /v1/traces, Langfuse's API is under /api/public" }, 404),
  );
  app.onError((error, request) => {
    // A client that went away in the middle of its body is nobody's error.
    if (!isGone(request)) context.log.error({ error: error.message }, "a request failed unexpectedly");
    return request.json({ message: "The sidecar failed; its log says why" }, 503, { "retry-after": retryAfterSeconds });
  });
  return app;
}

function isGone({ env }: Context): boolean {
  const { incoming, outgoing } = env as HttpBindings;
  return incoming.errored !== null || outgoing.destroyed;
}
