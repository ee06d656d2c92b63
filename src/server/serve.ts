/** The sidecar as a whole: from options to a server that accepts, and to its orderly end. */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Server as TlsServer } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { collectDefaultMetrics, Registry } from "prom-client";
import { hostOf } from "../export/redact.ts";
import { createApp } from "./app.ts";
import type { Log } from "./context.ts";
import { announceRefusals, createHttpServer } from "./http-server.ts";
import { createLog } from "./log.ts";
import { isLoopback, isSameAddress } from "./loopback.ts";
import { type ResolvedSidecarOptions, resolveSidecarOptions, type SidecarOptions } from "./options.ts";
import { ReceiverMetrics } from "./operations/receiver-metrics.ts";
import { addServerGauges, RequestLog } from "./operations/request-log.ts";
import type { Operations } from "./operations/routes.ts";
import { type ProjectChanges, ProjectRegistry } from "./projects.ts";
import { type ProjectEntry, readProjectsFile } from "./projects-file.ts";
import { RequestsUnderWay } from "./requests-under-way.ts";
import type { RunningProject } from "./running-project.ts";
import { readTlsFiles } from "./tls.ts";

export interface Sidecar {
  /** `http://127.0.0.1:4318` */
  readonly url: string;
  /**
   * Accepts nothing more, lets the requests under way be committed and answered, and delivers: all within `limitMs`.
   * What could not be delivered stays in the journals.
   */
  close(limitMs: number): Promise<void>;
  /** Reads keys and certificate again. A file with a fault changes nothing, and is logged. Never rejects. */
  reload(): Promise<void>;
}

/** Share of the time for closing that requests under way may take; the rest is for delivery. */
const requestsShare = 0.3;

/**
 * Starts a sidecar; it accepts when the promise resolves.
 *
 * @param parts `log`: instead of JSON lines on stderr.
 * @throws TypeError for options, Error for a file or a port that cannot be used. The messages are for people, without
 * secrets.
 */
export async function startSidecar(
  given: Partial<SidecarOptions>,
  { log: givenLog }: { log?: Log } = {},
): Promise<Sidecar> {
  const options = resolveSidecarOptions(given);
  const log = givenLog ?? createLog(options.logLevel);
  const entries = readProjects(options, log);
  const tls = readTlsFiles(options, log);
  let listener: ReturnType<typeof getRequestListener>;
  const server = createHttpServer(options, tls, (request, response) => void listener(request, response));
  const requests = new RequestsUnderWay(server);
  // First of all: nothing has been started yet if the port is taken.
  const port = await listen(server, options);
  announceRefusals(server, log);
  server.on("error", (error) => log.error({}, `the server: ${error.message}`));
  const { host, buffer } = options;
  try {
    refuseOwnAddress(entries ?? [buffer], host, port);
  } catch (error) {
    server.close();
    throw error;
  }
  const projects = new ProjectRegistry({ buffer, entries, isLoopback: isLoopback(host), log });
  const scheme = tls === undefined ? "http" : "https";
  const url = `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const sidecar = new RunningSidecar({ url, options, log, server, projects, requests });
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addServerGauges(registry, requests, server);
  const operations: Operations = {
    registry,
    requestLog: new RequestLog({ registry, log, scheme }),
    projects,
    isShuttingDown: () => sidecar.isShuttingDown,
  };
  const app = createApp({ options, projects, log, metrics: new ReceiverMetrics(registry) }, operations);
  listener = getRequestListener(app.fetch, { errorHandler: () => new Response(null, { status: 400 }) });
  log.info({ url, projects: projects.all().map(({ name }) => name) }, "accepts requests");
  return sidecar;
}

interface SidecarParts {
  url: string;
  options: ResolvedSidecarOptions;
  log: Log;
  server: Server;
  projects: ProjectRegistry;
  requests: RequestsUnderWay;
}

class RunningSidecar implements Sidecar {
  readonly url: string;
  readonly #parts: SidecarParts;
  /** Buffers whose keys were replaced, on their way out. */
  readonly #retiring = new Set<RunningProject>();
  #closing: Promise<void> | undefined;

  constructor(parts: SidecarParts) {
    this.url = parts.url;
    this.#parts = parts;
  }

  get isShuttingDown(): boolean {
    return this.#closing !== undefined;
  }

  close(limitMs: number): Promise<void> {
    this.#closing ??= this.#close(limitMs);
    return this.#closing;
  }

  reload(): Promise<void> {
    if (!this.isShuttingDown) this.#reload();
    return Promise.resolve();
  }

  async #close(limitMs: number): Promise<void> {
    const { server, requests, projects, log } = this.#parts;
    const deadlineMs = performance.now() + limitMs;
    log.info({ requests: requests.count }, "shutting down: accepts nothing more");
    const isClosed = once(server, "close");
    server.close();
    requests.takeNoMore();
    await requests.ended(limitMs * requestsShare);
    server.closeAllConnections();
    await isClosed;
    const leftMs = Math.max(0, deadlineMs - performance.now());
    await Promise.all([...projects.all(), ...this.#retiring].map((project) => project.shutdown(leftMs)));
    log.info(leftIn(projects), "shut down");
  }

  #reload(): void {
    const { options, log, server, projects } = this.#parts;
    try {
      // Both are read before either is used: half of a change would be worse than none.
      const entries = readProjects(options, log);
      const tls = readTlsFiles(options, log);
      if (entries !== undefined) refuseOwnAddress(entries, options.host, (server.address() as AddressInfo).port);
      if (tls !== undefined) (server as unknown as TlsServer).setSecureContext(tls);
      if (entries === undefined) log.info({}, "read again: there is no projects file, the keys are those of the start");
      else this.#announce(projects.replace(entries));
    } catch (error) {
      log.error({}, `what was read again cannot be used, and changes nothing: ${(error as Error).message}`);
    }
  }

  #announce({ retired, ...changes }: ProjectChanges): void {
    const { log, projects } = this.#parts;
    log.info({ ...changes, projects: projects.all().map(({ name }) => name) }, "the projects file was read again");
    for (const project of retired) void this.#retire(project);
  }

  /** Requests that began with the old keys finish with the old buffers. */
  async #retire(project: RunningProject): Promise<void> {
    const { options, requests, log } = this.#parts;
    this.#retiring.add(project);
    await requests.ended(options.requestTimeoutMs + options.commitTimeoutMs);
    const results = await project.shutdown(options.buffer.shutdownTimeoutMs);
    this.#retiring.delete(project);
    const pending = results.reduce((sum, result) => sum + result.pending, 0);
    log.info({ project: project.name, pending }, "its old buffers are shut down; what is pending stays in the journal");
  }
}

function readProjects(options: ResolvedSidecarOptions, log: Log): ProjectEntry[] | undefined {
  if (options.projectsFile === undefined) return undefined;
  const { projects, warning } = readProjectsFile(options.projectsFile, options.buffer.baseUrl);
  if (warning !== undefined) log.warn({}, warning);
  return projects;
}

/** What goes round in a circle multiplies. */
function refuseOwnAddress(projects: readonly { baseUrl: string }[], host: string, port: number): void {
  const self = projects.find(({ baseUrl }) => isSameAddress(baseUrl, host, port));
  if (self === undefined) return;
  throw new Error(
    `the base URL ${hostOf(self.baseUrl)} is this sidecar's own address: LANGFUSE_BASE_URL leads bots to the sidecar, but the sidecar itself to Langfuse`,
  );
}

function leftIn(projects: ProjectRegistry): { pending: number } {
  const stats = projects.all().flatMap((project) => project.pipelines().map(({ pipeline }) => pipeline.stats()));
  return { pending: stats.reduce((sum, { pending }) => sum + pending, 0) };
}

async function listen(server: Server, { host, port }: ResolvedSidecarOptions): Promise<number> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new Error(`cannot listen on ${host}, port ${port}: ${listenReasons[code] ?? message}`, { cause: error });
  }
  return (server.address() as AddressInfo).port;
}

const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE:
    "the port is in use, perhaps by another sidecar or an OpenTelemetry Collector; stop that, or take another port",
  EACCES: "permission denied; ports below 1024 are for root",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "the host name is not known",
};
