/** What the sidecar itself is told, beside the options of the buffers in it (src/option-table.ts). */
import process from "node:process";
import * as v from "valibot";
import { type OptionRow, optionTable } from "../option-table.ts";
import {
  fromEnvironment,
  invalidOption,
  type ResolvedOptions,
  resolveOptions,
  type SpanBufferOptions,
} from "../options.ts";
import { isLoopback } from "./loopback.ts";

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

const sidecarDefaults: Omit<SidecarOptions, "buffer"> = {
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

/** Validated, with everything that was left out. */
export type ResolvedSidecarOptions = Omit<SidecarOptions, "buffer"> & { buffer: ResolvedOptions };

const count = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
const text = v.pipe(v.string(), v.nonEmpty());
/** Langfuse cuts or refuses longer ones. */
const label = v.pipe(v.string(), v.nonEmpty(), v.maxLength(200));
const milliseconds = { schema: count(10, 600_000), allowed: "10 … 600000 (milliseconds)" };

/** What each may be, and which environment variable says so. */
export const sidecarOptionTable: Readonly<Record<Exclude<keyof SidecarOptions, "buffer">, OptionRow>> = {
  host: { schema: text, allowed: "an address or host name", env: ["SPAN_BUFFER_HOST"] },
  port: { schema: count(0, 65_535), allowed: "0 … 65535", fallback: 4318, env: ["SPAN_BUFFER_PORT"] },
  projectsFile: { schema: text, allowed: "a path", env: ["SPAN_BUFFER_PROJECTS_FILE"] },
  tlsCertificateFile: { schema: text, allowed: "a path", env: ["SPAN_BUFFER_TLS_CERTIFICATE_FILE"] },
  tlsKeyFile: { schema: text, allowed: "a path", env: ["SPAN_BUFFER_TLS_KEY_FILE"] },
  maxRequestBytes: {
    schema: count(1024, 1024 ** 3),
    allowed: "1 KiB … 1 GiB (bytes)",
    fallback: 64 * 1024 * 1024,
    env: ["SPAN_BUFFER_MAX_REQUEST_BYTES"],
  },
  maxConnections: {
    schema: count(1, 65_535),
    allowed: "1 … 65535",
    fallback: 1_000,
    env: ["SPAN_BUFFER_MAX_CONNECTIONS"],
  },
  requestTimeoutMs: { ...milliseconds, fallback: 30_000, env: ["SPAN_BUFFER_REQUEST_TIMEOUT_MS"] },
  idleTimeoutMs: { ...milliseconds, fallback: 60_000, env: ["SPAN_BUFFER_IDLE_TIMEOUT_MS"] },
  commitTimeoutMs: { ...milliseconds, fallback: 10_000, env: ["SPAN_BUFFER_COMMIT_TIMEOUT_MS"] },
  enrich: { schema: v.boolean(), allowed: "true or false", fallback: true, env: ["SPAN_BUFFER_ENRICH"] },
  traceDefaults: {
    schema: v.strictObject({
      sessionId: v.optional(label),
      userId: v.optional(label),
      traceName: v.optional(label),
      tags: v.optional(v.array(label)),
    }),
    allowed: "sessionId, userId, traceName and tags, each of at most 200 characters, and nothing else",
  },
  logLevel: {
    schema: v.picklist(["debug", "info", "warn", "error", "silent"]),
    allowed: '"debug", "info", "warn", "error" or "silent"',
    env: ["SPAN_BUFFER_LOG_LEVEL"],
  },
};

/**
 * What was given, else the environment, else the defaults; those of the buffer with them.
 *
 * @throws TypeError that names every option that is unknown or out of range, with what is allowed. No key is shown.
 */
export function resolveSidecarOptions(
  given: Partial<SidecarOptions>,
  env: NodeJS.ProcessEnv = process.env,
): ResolvedSidecarOptions {
  const { buffer: givenBuffer = {}, ...own } = given;
  const problems = Object.keys(own)
    .filter((name) => !(name in sidecarOptionTable))
    .map((name) => `unknown option "${name}"`);
  const resolved: Record<string, unknown> = { ...sidecarDefaults };
  for (const [name, row] of Object.entries(sidecarOptionTable)) {
    const value = own[name as keyof typeof own];
    const found = value === undefined ? fromEnvironment(row, env) : { value, source: name };
    if (found === undefined) continue;
    if (v.is(row.schema, found.value)) resolved[name] = found.value;
    else problems.push(invalidOption(row, found));
  }
  const buffer = resolveBuffer(givenBuffer, env, problems);
  if (buffer !== undefined) problems.push(...combinationProblems(resolved as unknown as SidecarOptions, buffer));
  if (problems.length > 0) throw new TypeError(problems.join("; "));
  return { ...(resolved as unknown as SidecarOptions), buffer: buffer as ResolvedOptions };
}

function resolveBuffer(
  given: SpanBufferOptions,
  env: NodeJS.ProcessEnv,
  problems: string[],
): ResolvedOptions | undefined {
  try {
    return resolveOptions(given, env);
  } catch (error) {
    problems.push((error as Error).message.replace(/^langfuse-span-buffer: /, ""));
    return undefined;
  }
}

/** What is allowed by itself, but not for a sidecar or not together. */
function combinationProblems(options: Omit<SidecarOptions, "buffer">, buffer: ResolvedOptions): string[] {
  const { host, projectsFile, tlsCertificateFile, tlsKeyFile } = options;
  const hasKeys = projectsFile !== undefined || (buffer.publicKey !== undefined && buffer.secretKey !== undefined);
  const rules: readonly [isBroken: boolean, words: string][] = [
    [
      buffer.durability === "overflow",
      'durability "overflow" is not for a sidecar: it answers 200 only when the spans are committed to a journal, and "overflow" keeps them in memory; use "journal" or "strict"',
    ],
    [!buffer.enabled, "tracing is off (enabled: false, LANGFUSE_TRACING_ENABLED): a sidecar would have nothing to do"],
    [
      buffer.destinations !== undefined,
      'the option "destinations" is for an embedded buffer: a sidecar has projectsFile',
    ],
    [
      buffer.sampling !== undefined,
      'the option "sampling" is for an embedded buffer: it holds spans in memory until their trace is decided, and a sidecar answers 200 only when they are committed; use sampleRate',
    ],
    [
      buffer.maskJournal,
      'the option "maskJournal" is for an embedded buffer: the events of old SDKs that a sidecar holds on the disk would not be masked; mask alone masks whatever leaves',
    ],
    [
      (buffer.publicKey === undefined) !== (buffer.secretKey === undefined) && projectsFile === undefined,
      `the ${buffer.publicKey === undefined ? "public" : "secret"} key is missing: set both LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, or neither`,
    ],
    [
      (tlsCertificateFile === undefined) !== (tlsKeyFile === undefined),
      "TLS needs both tlsCertificateFile and tlsKeyFile",
    ],
    [
      !isLoopback(host) && !hasKeys,
      `listening on ${host} is refused without keys: anybody who reaches it could write to the project. Set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY or a projects file, and give callers the same keys; or listen on 127.0.0.1`,
    ],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, words]) => words);
}

/** For options of the buffer that stand elsewhere than in its options. */
export function isAllowed(name: keyof SpanBufferOptions, value: unknown): boolean {
  return v.is(optionTable[name].schema, value);
}
