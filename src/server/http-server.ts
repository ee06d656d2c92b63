/**
 * Node's HTTP server with limits for everything that a client can hold: a connection, the time and size of its headers,
 * the time of its body, the time in which it reads nothing of its answer.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { Announcer } from "../workers/announcer.ts";
import type { Log } from "./context.ts";
import type { ResolvedSidecarOptions } from "./options.ts";
import type { TlsFiles } from "./tls.ts";

const maxHeaderBytes = 16 * 1024;
/** Headers come in one packet or two; who takes longer than this for them does so on purpose. */
const maxHeadersMs = 10_000;

export function createHttpServer(
  options: ResolvedSidecarOptions,
  tls: TlsFiles | undefined,
  listener: RequestListener,
): Server {
  const { requestTimeoutMs, idleTimeoutMs, commitTimeoutMs, maxConnections } = options;
  const headersTimeout = Math.min(maxHeadersMs, requestTimeoutMs);
  const limits: ServerOptions = {
    maxHeaderSize: maxHeaderBytes,
    // From the connection's first moment: also for one that says nothing.
    headersTimeout,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: idleTimeoutMs,
    // How much later than its limit a slow client is ended.
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(headersTimeout / 4)),
  };
  const server =
    tls === undefined
      ? createServer(limits, listener)
      : createTlsServer({ ...limits, ...tls, handshakeTimeout: headersTimeout }, listener);
  server.maxConnections = maxConnections;
  // No byte in either direction for longer than anything of ours takes: a client that does not read its answer.
  server.timeout = requestTimeoutMs + Math.max(commitTimeoutMs, options.buffer.exportTimeoutMs);
  return server;
}

/** Clients see a reset, which says nothing. */
export function announceRefusals(server: Server, log: Log): void {
  const announcer = new Announcer((said) => {
    if (said.type === "notice") log.warn({}, said.message);
  });
  server.on("drop", () => {
    const words = `a connection was refused: ${server.maxConnections} are open, and --max-connections allows no more`;
    announcer.say("refused", "warn", words);
  });
}
