/** The stand-in: a Langfuse for demo, tests and offline work, as strict as the real one. Not for production. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { createControlApp } from "./control.ts";
import { type Fault, type FaultOutcome, Faults } from "./faults.ts";
import { addLookUpRoutes } from "./look-up-routes.ts";
import { addMediaRoutes, MediaStorage, type StoredMedia } from "./media-routes.ts";
import type { StoredSpan } from "./observation.ts";
import { addSpanRoutes } from "./span-routes.ts";
import { Storage, type StoredScore } from "./storage.ts";

export type { Fault } from "./faults.ts";
export type { StoredMedia } from "./media-routes.ts";
export type { StoredSpan } from "./observation.ts";
export type { StoredScore } from "./storage.ts";

export interface StandInOptions {
  /** Default: 0, a free one. */
  port?: number;
  /** Default: 127.0.0.1. */
  host?: string;
  /** A second port for switches and account, open even while the stand-in is down; 0: a free one. Default: none. */
  controlPort?: number;
  /** `otlp`: as Langfuse 4, legacy trace events refused. `ingestion`: as one before 3.22, no OTLP. Default: `otlp`. */
  generation?: "otlp" | "ingestion";
  /** Default: `pk-lf-stand-in`. */
  publicKey?: string;
  /** Default: `sk-lf-stand-in`. */
  secretKey?: string;
  /** SQLite file for what arrives. Default: memory. */
  file?: string;
}

export interface StandInAccount {
  /** Distinct span ids stored. */
  spans: number;
  /** Of them, those that came in more than one accepted request. */
  twice: number;
  arrivals: number;
  /** Requests on all routes, and how they were answered. */
  requests: number;
  requestsByStatus: Record<string, number>;
}

export interface RecordedRequest {
  method: string;
  path: string;
  /** When it came (`performance.now()`). */
  atMs: number;
  /** Requests under way when it came, itself included. */
  underWay: number;
  /** 0: no answer was sent. */
  status: number;
  headers: Record<string, string>;
}

export interface StandIn {
  url: string;
  port: number;
  controlUrl: string | undefined;
  /** `undefined`: healthy. */
  setFault(fault: Fault | undefined): Promise<void>;
  account(): StandInAccount;
  spans(): StoredSpan[];
  scores(): StoredScore[];
  media(): StoredMedia[];
  ids(): Record<string, number>;
  /**
   * Span id → how often it was stored by a request after which it may be sent again: its answer did not go out whole,
   * or refused the trace that came with the span.
   */
  mayComeAgain(): Record<string, number>;
  /** The latest requests, oldest first, without their Authorization. */
  requests(): RecordedRequest[];
  /** Forgets what arrived. */
  clear(): void;
  close(): Promise<void>;
}

const versions = { otlp: "4.16.0", ingestion: "3.12.0" } as const;
const recordedRequestsMax = 10_000;

export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const { port = 0, host = "127.0.0.1", controlPort, generation = "otlp", file = ":memory:" } = options;
  const keys = { publicKey: options.publicKey ?? "pk-lf-stand-in", secretKey: options.secretKey ?? "sk-lf-stand-in" };
  const storage = new Storage(file);
  const media = new MediaStorage();
  const faults = new Faults();
  const recorded: RecordedRequest[] = [];
  const byStatus: Record<string, number> = {};
  const outcomes = new WeakMap<IncomingMessage, FaultOutcome>();
  const mayComeAgain: Record<string, number> = {};
  let underWay = 0;
  const faultOf = (context: Context): FaultOutcome => outcomes.get(incomingOf(context)) ?? { isAnswered: false };
  const app = new Hono();
  app.use("*", async (context, next) => {
    await next();
    const { delayMs = 0 } = faultOf(context);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  });
  addLookUpRoutes(app, { keys, storage, version: versions[generation] });
  addMediaRoutes(app, media, keys);
  addSpanRoutes(app, {
    keys,
    storage,
    generation,
    faultOf,
    cut: (context) => incomingOf(context).socket.resetAndDestroy(),
    onStored: (context, spanIds) => {
      const { outgoing } = context.env as { outgoing: ServerResponse };
      outgoing.once("close", () => {
        if (!outgoing.writableFinished) excuse(spanIds);
      });
    },
    onTraceRefused: excuse,
  });
  // The older server shows its web page's 404 for what it does not know.
  app.notFound((context) =>
    context.html("<!DOCTYPE html><html><body>404: This page could not be found.</body></html>", 404),
  );

  // In the answer, not on the console: most of these are clients that went away while they sent.
  app.onError((error, context) => context.json({ message: "Internal Server Error", error: error.message }, 500));

  const listener = getRequestListener(app.fetch, { errorHandler: () => undefined });
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    record(request, response);
    void faults.apply(request, response).then((outcome) => {
      outcomes.set(request, outcome);
      if (!outcome.isAnswered) void listener(request, response);
    });
  });
  const address = await listen(server, port, host);
  const url = `http://${host}:${address.port}`;
  const control = controlPort === undefined ? undefined : createServer();

  function excuse(spanIds: readonly string[]): void {
    for (const id of spanIds) mayComeAgain[id] = (mayComeAgain[id] ?? 0) + 1;
  }

  function record(request: IncomingMessage, response: ServerResponse): void {
    const { authorization: _secret, ...headers } = request.headers;
    const entry: RecordedRequest = {
      method: request.method ?? "",
      path: request.url ?? "",
      atMs: performance.now(),
      underWay: ++underWay,
      status: 0,
      headers: headers as Record<string, string>,
    };
    recorded.push(entry);
    if (recorded.length > recordedRequestsMax) recorded.shift();
    response.on("close", () => {
      underWay--;
      if (response.headersSent) entry.status = response.statusCode;
      byStatus[entry.status] = (byStatus[entry.status] ?? 0) + 1;
    });
  }

  const standIn: StandIn = {
    url,
    port: address.port,
    controlUrl: undefined,
    async setFault(fault) {
      faults.set(fault);
      if (faults.isDown === !server.listening) return;
      if (faults.isDown) await closeServer(server);
      else await listen(server, address.port, host);
    },
    account() {
      const requests = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
      return { ...storage.counts(), requests, requestsByStatus: { ...byStatus } };
    },
    spans: () => storage.spans(),
    scores: () => storage.scores(),
    media: () => media.media(),
    ids: () => storage.ids(),
    mayComeAgain: () => ({ ...mayComeAgain }),
    requests: () => [...recorded],
    clear() {
      storage.clear();
      media.clear();
    },
    async close() {
      await closeServer(server);
      if (control !== undefined) await closeServer(control);
      storage.close();
    },
  };
  if (control !== undefined) {
    const controlListener = getRequestListener(createControlApp(standIn).fetch);
    control.on("request", (request, response) => void controlListener(request, response));
    const controlAddress = await listen(control, controlPort ?? 0, host);
    standIn.controlUrl = `http://${host}:${controlAddress.port}`;
  }
  return standIn;
}

function incomingOf(context: Context): IncomingMessage {
  return (context.env as { incoming: IncomingMessage }).incoming;
}

async function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return server.address() as AddressInfo;
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
