import type { Hono } from "hono";
import type { ServerContext } from "../context.ts";

export function addForwardRoutes(_app: Hono, _context: ServerContext): void {
  // Not built yet.
}
