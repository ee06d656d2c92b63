import type { Server } from "node:http";
import { promisify } from "node:util";
import type { HttpBindings } from "@hono/node-server";
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Log } from "../context.ts";
import type { RequestsUnderWay } from "../requests-under-way.ts";

/** Those of OpenTelemetry's semantic conventions for `http.server.request.duration`, in seconds. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Methods are a client's to make up: what is not among these is `_OTHER`, as the conventions have it. */
const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]);

type Label = "http_request_method" | "http_route" | "http_response_status_code" | "url_scheme" | "error_type";

/** What became of every request: a histogram, and a line at level debug. Of a request's content only its route is told. */
export class RequestLog {
  readonly #log: Log;
  readonly #durations: Histogram<Label>;
  readonly #scheme: string;

  constructor({ registry, log, scheme }: { registry: Registry; log: Log; scheme: string }) {
    this.#log = log;
    this.#scheme = scheme;
    this.#durations = new Histogram({
      name: "http_server_request_duration_seconds",
      help: "Duration of HTTP server requests",
      labelNames: ["http_request_method", "http_route", "http_response_status_code", "url_scheme", "error_type"],
      buckets: durationBuckets,
      registers: [registry],
    });
  }

  readonly middleware: MiddlewareHandler = async (context, next) => {
    const beganAtMs = performance.now();
    const { outgoing } = context.env as HttpBindings;
    outgoing.once("close", () => {
      const method = context.req.method;
      const route = routeOf(routePath(context));
      const status = outgoing.headersSent ? outgoing.statusCode : undefined;
      const isWhole = outgoing.writableFinished;
      const durationMs = performance.now() - beganAtMs;
      this.#observe({ method, route, status, isWhole, durationMs });
    });
    await next();
  };

  #observe({ method, route, status, isWhole, durationMs }: Ended): void {
    const errorType = !isWhole
      ? "client_disconnected"
      : status !== undefined && status >= 500
        ? `${status}`
        : undefined;
    const labels: Partial<Record<Label, string>> = {
      http_request_method: knownMethods.has(method) ? method : "_OTHER",
      url_scheme: this.#scheme,
    };
    if (route !== undefined) labels.http_route = route;
    if (status !== undefined) labels.http_response_status_code = `${status}`;
    if (errorType !== undefined) labels.error_type = errorType;
    this.#durations.observe(labels, durationMs / 1000);
    this.#log.debug({ method: labels.http_request_method, route, status, durationMs, error: errorType }, "request");
  }
}

interface Ended {
  method: string;
  route: string | undefined;
  status: number | undefined;
  isWhole: boolean;
  durationMs: number;
}

/** A path that no route took has only this middleware's. */
function routeOf(path: string): string | undefined {
  return path === "*" || path === "/*" ? undefined : path;
}

/** Requests and connections of this moment. */
export function addServerGauges(registry: Registry, requests: RequestsUnderWay, server: Server): void {
  const registers = [registry];
  const active: Gauge = new Gauge({
    name: "http_server_active_requests",
    help: "Number of active HTTP server requests",
    registers,
    collect: () => active.set(requests.count),
  });
  const refused = new Counter({
    name: "span_buffer_receiver_connections_refused_total",
    help: "Connections that were closed at once, since the most that may be were open",
    registers,
  });
  server.on("drop", () => refused.inc());
  const open: Gauge = new Gauge({
    name: "span_buffer_receiver_connections",
    help: "Open connections",
    registers,
    collect: async () => open.set(await promisify(server.getConnections.bind(server))()),
  });
}
