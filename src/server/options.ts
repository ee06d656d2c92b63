import type { SpanBufferOptions } from "../options.ts";

/** What a sidecar is told, beside the options of the buffers in it. */
export interface SidecarOptions {
  /** Address to listen on. Default: 127.0.0.1. Any other than a loopback address needs keys. */
  host: string;
  /** Default: 4318, OTLP's; 0 takes a free one. */
  port: number;
  /** JSON file with several projects; read again on SIGHUP. Without it the one project is the buffer options'. */
  projectsFile?: string | undefined;
  /** PEM files; both or neither. */
  tlsCertificateFile?: string | undefined;
  tlsKeyFile?: string | undefined;
  /** Of a request's body, as it comes and decompressed. Default: 64 MiB. */
  maxRequestBytes: number;
  /** Connections at once. Default: 1,000. */
  maxConnections: number;
  /** From the first byte of a request to its last. Default: 30,000 milliseconds. */
  requestTimeoutMs: number;
  /** Of a connection without a request. Default: 60,000 milliseconds. */
  idleTimeoutMs: number;
  /** How long a request waits for its commit before it is answered 503. Default: 10,000 milliseconds. */
  commitTimeoutMs: number;
  /** Adds what Langfuse reads to Pipecat's spans. Default: true. */
  enrich: boolean;
  /** For every span that does not say otherwise. */
  traceDefaults: TraceDefaults;
  /** Default: info. */
  logLevel: "debug" | "info" | "warn" | "error" | "silent";
  /** Of each project's buffers. */
  buffer: SpanBufferOptions;
}

export interface TraceDefaults {
  sessionId?: string | undefined;
  userId?: string | undefined;
  traceName?: string | undefined;
  tags?: readonly string[] | undefined;
}

export const sidecarDefaults: Omit<SidecarOptions, "buffer"> = {
  host: "127.0.0.1",
  port: 4318,
  maxRequestBytes: 64 * 1024 * 1024,
  maxConnections: 1_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  commitTimeoutMs: 10_000,
  enrich: true,
  traceDefaults: {},
  logLevel: "info",
};
