/** The options: validated once at construction, then frozen. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import leven from "leven";
import * as v from "valibot";
import { type MaskRule, type MaskSpec, maskPatternNames } from "./mask/mask-rules.ts";
import { type OptionRow, optionTable, otherNames } from "./option-table.ts";
import type { ShouldExportSpan } from "./tracing/filtering-sink.ts";
import type { SamplingRule } from "./tracing/sampling-rules.ts";

/** How traces outside the sample may still be kept; see docs/privacy.md. */
export interface SamplingOptions {
  /** A trace is kept, whole, as soon as one of its spans fits one of these. */
  keep: readonly SamplingRule[];
  /** How long a trace may be undecided after its latest span, while its root has not ended. Default: 600,000 milliseconds. */
  waitMs?: number | undefined;
  /** Memory for spans of undecided traces. Default: 16 MiB. */
  maxBytes?: number | undefined;
}

/** Where notices go. A logger that throws is ignored. */
export interface Logger {
  info?(message: string): void;
  warn(message: string): void;
}

/** A project besides the one that the buffer itself is for. */
export interface DestinationOptions {
  publicKey: string;
  secretKey: string;
  /** Default: the buffer's. */
  baseUrl?: string | undefined;
}

/** All are optional. Defaults, environment variables and what each one means at length: docs/options.md. */
export interface SpanBufferOptions {
  /** `LANGFUSE_PUBLIC_KEY`. Without keys spans are kept in the journal. */
  publicKey?: string | undefined;
  /** `LANGFUSE_SECRET_KEY`. */
  secretKey?: string | undefined;
  /** Default: `https://cloud.langfuse.com`. */
  baseUrl?: string | undefined;
  /** Further projects by name; `buffer.destination(name)` takes their spans. */
  destinations?: Record<string, DestinationOptions> | undefined;
  /** Default: true. Off: every call is a cheap no-op; no thread, no file. */
  enabled?: boolean | undefined;
  /** Langfuse's route for spans. Default: `auto`, ask the server. */
  transport?: "auto" | "otlp" | "ingestion" | undefined;
  /** Who sends on the OTLP route: Langfuse's SDK, or this package itself, with less CPU. Default: `sdk`. */
  sender?: "sdk" | "direct" | undefined;
  /** Of requests; `gzip` needs `sender: "direct"`. Default: `none`. */
  compression?: "none" | "gzip" | undefined;
  /** Default: `journal`. */
  durability?: "journal" | "overflow" | "strict" | undefined;
  /** Folder of the journals. Default: a per-user state folder. */
  directory?: string | undefined;
  /** Folder of the crash log of durability `strict`. Default: `directory`. */
  crashLogDirectory?: string | undefined;
  /** Spans in a request. Default: 100. */
  batchSize?: number | undefined;
  /** Seconds that a span waits for its batch to fill. Default: 30. */
  flushInterval?: number | undefined;
  /** Encoded spans that the pump holds in memory. Default: 10,000. */
  maxQueueSize?: number | undefined;
  /** Payload of a request in bytes. Default: 3,000,000. */
  maxBatchBytes?: number | undefined;
  /** A larger span is cut. Default: 1,000,000 bytes. */
  maxSpanBytes?: number | undefined;
  /** Size of the journal. Default: 1 GiB. */
  maxDiskBytes?: number | undefined;
  /** Size of the table of dead letters, at most a quarter of `maxDiskBytes`. Default: 64 MiB. */
  maxDeadLetterBytes?: number | undefined;
  /** Memory for bursts on the caller's side. Default: 256 MiB. */
  maxMemoryBytes?: number | undefined;
  /** Size of the ring; rounded up to a power of two that holds two of the largest spans. Default: 16 MiB. */
  ringBytes?: number | undefined;
  /** What goes when `maxDiskBytes` is reached. Default: `drop-oldest`. */
  overflowPolicy?: "drop-oldest" | "drop-newest" | undefined;
  /** Default: 1. */
  exportThreads?: number | undefined;
  /** Requests under way at once. Default: 4. */
  exportConcurrency?: number | undefined;
  /** Time limit of one request, its answer included, in milliseconds. Default: 30,000. */
  exportTimeoutMs?: number | undefined;
  /** `LANGFUSE_TRACING_ENVIRONMENT`. */
  environment?: string | undefined;
  /** `LANGFUSE_RELEASE`. */
  release?: string | undefined;
  /** `OTEL_SERVICE_NAME`. */
  serviceName?: string | undefined;
  /** Share of traces that are kept, 0 … 1. Default: 1. */
  sampleRate?: number | undefined;
  /** Traces outside `sampleRate` that are kept all the same. */
  sampling?: SamplingOptions | undefined;
  /** `false` keeps a span from going anywhere; called on the caller's thread when a span ends. */
  shouldExportSpan?: ShouldExportSpan | undefined;
  /** What is hidden before a span leaves: ready patterns and names of keys, or a module with a `MaskFunction`. */
  mask?: string | URL | readonly MaskRule[] | undefined;
  /** Hides it before the disk, on the caller's thread; with patterns and keys alone. Default: false. */
  maskJournal?: boolean | undefined;
  /** Do audio and images in data URIs go as Langfuse media? Default: true. */
  media?: boolean | undefined;
  /** Default: 5,000 milliseconds. */
  shutdownTimeoutMs?: number | undefined;
  /** Default: warnings to stderr. */
  logger?: Logger | undefined;
}

type Given<Name extends keyof SpanBufferOptions> = NonNullable<SpanBufferOptions[Name]>;
type OptionalName =
  | "publicKey"
  | "secretKey"
  | "destinations"
  | "environment"
  | "release"
  | "serviceName"
  | "sampling"
  | "shouldExportSpan"
  | "logger";

/** Options with their defaults. */
export type ResolvedOptions = Readonly<
  { [Name in Exclude<keyof SpanBufferOptions, OptionalName | "mask">]: Given<Name> } & {
    [Name in OptionalName]: Given<Name> | undefined;
  } & { mask: MaskSpec | undefined }
>;

/**
 * Options from the caller, then the environment, then the defaults.
 *
 * @throws TypeError that names every unknown option with its likely meaning, and every value out of range with what is
 * allowed and where it came from. Values of keys are never shown.
 */
export function resolveOptions(options: SpanBufferOptions = {}, env: NodeJS.ProcessEnv = process.env): ResolvedOptions {
  const problems: string[] = Object.keys(options)
    .filter((name) => !(name in optionTable))
    .map(unknownOption);
  const resolved: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(optionTable) as [keyof SpanBufferOptions, OptionRow][]) {
    const given =
      options[name] === undefined ? fromEnvironment(definition, env) : { value: options[name], source: name };
    if (given === undefined) resolved[name] = definition.fallback;
    else if (v.is(definition.schema, given.value)) resolved[name] = given.value;
    else problems.push(invalidOption(definition, given));
  }
  if (resolved["compression"] === "gzip" && resolved["sender"] === "sdk") {
    problems.push('compression "gzip" has no effect with sender "sdk", which cannot compress: use sender "direct"');
  }
  const mask = maskOf(options.mask);
  if (mask.problem !== undefined) problems.push(mask.problem);
  else if (resolved["maskJournal"] === true) problems.push(...journalProblems(mask.spec));
  if (problems.length > 0) throw new TypeError(`langfuse-span-buffer: ${problems.join("; ")}`);
  resolved["mask"] = mask.spec;
  resolved["baseUrl"] = withoutSlash(resolved["baseUrl"] as string);
  // Absolute: the host may change its working directory later.
  resolved["directory"] = resolve((resolved["directory"] as string | undefined) ?? stateDirectory(env));
  resolved["crashLogDirectory"] = resolve((resolved["crashLogDirectory"] ?? resolved["directory"]) as string);
  return Object.freeze(resolved) as unknown as ResolvedOptions;
}

/** What the option means, or what is wrong with it. */
function maskOf(mask: SpanBufferOptions["mask"]): { spec?: MaskSpec; problem?: string } {
  if (mask === undefined || !v.is(optionTable.mask.schema, mask)) return {};
  if (typeof mask !== "string" && !(mask instanceof URL)) return { spec: mask };
  if (maskPatternNames.some((name) => name === mask)) {
    const problem = `option "mask" ${JSON.stringify(mask)} would be a module's path: the pattern is mask: [${JSON.stringify(mask)}]`;
    return { problem };
  }
  const isFileUrl = mask instanceof URL || mask.startsWith("file:");
  const url = isFileUrl ? new URL(mask) : pathToFileURL(mask);
  // What it exports is found out by the export threads; without it nothing leaves.
  if (url.protocol === "file:" && existsSync(url)) return { spec: url.href };
  const shown = JSON.stringify(String(mask));
  return {
    problem: `option "mask" ${shown} is no file: allowed is the path or file: URL of a module whose default export is the mask function`,
  };
}

/** Why values cannot be masked before the disk. */
function journalProblems(mask: MaskSpec | undefined): string[] {
  if (mask === undefined) return ["maskJournal has no effect without mask: give it patterns or keys"];
  if (typeof mask !== "string") return [];
  return [
    "maskJournal does not go with a mask from a module, which runs in the export threads, behind the journal: use patterns and keys",
  ];
}

/** The same options, but for another project. */
export function optionsFor(options: ResolvedOptions, destination: DestinationOptions): ResolvedOptions {
  const { publicKey, secretKey, baseUrl = options.baseUrl } = destination;
  return Object.freeze({ ...options, publicKey, secretKey, baseUrl: withoutSlash(baseUrl), destinations: undefined });
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}

/** The first of the option's variables that is set, as the type of the option's default; undefined: none is. */
export function fromEnvironment(
  definition: OptionRow,
  env: NodeJS.ProcessEnv,
): { value: unknown; source: string } | undefined {
  for (const name of definition.env ?? []) {
    const raw = env[name]?.trim();
    if (raw !== undefined && raw !== "") return { value: convert(raw, definition.fallback), source: name };
  }
  return undefined;
}

/** A variable's or a flag's text as the type of the option's default. */
export function convert(raw: string, fallback: unknown): unknown {
  if (typeof fallback === "number") return Number.isNaN(Number(raw)) ? raw : Number(raw);
  if (typeof fallback !== "boolean") return raw;
  const lower = raw.toLowerCase();
  if (["true", "1", "yes", "on"].includes(lower)) return true;
  return ["false", "0", "no", "off"].includes(lower) ? false : raw;
}

function unknownOption(name: string): string {
  const likely = otherNames[name] ?? nearest(name);
  return `unknown option "${name}"${likely === undefined ? "" : `: did you mean "${likely}"?`} (docs/options.md lists all)`;
}

function nearest(name: string): string | undefined {
  const ranked = Object.keys(optionTable)
    .map((known) => ({ known, distance: leven(known.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return ranked !== undefined && ranked.distance <= Math.max(2, name.length / 3) ? ranked.known : undefined;
}

/** What is wrong with a value, and what is allowed; a secret is not shown. */
export function invalidOption(definition: OptionRow, given: { value: unknown; source: string }): string {
  const shown = definition.isSecret === true ? "" : ` ${show(given.value)}`;
  return `option "${given.source}"${shown} is not allowed: ${definition.allowed}`;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  // Of a list the texts: which of them is wrong, the reader sees.
  if (Array.isArray(value) && value.every((each) => typeof each === "string"))
    return JSON.stringify(value).slice(0, 80);
  return typeof value === "number" || typeof value === "boolean" ? `${value}` : `(${typeof value})`;
}

/** The folder for state that a user's programs keep: XDG's, macOS's or Windows'. */
function stateDirectory(env: NodeJS.ProcessEnv): string {
  const home = homedir();
  const name = "langfuse-span-buffer";
  if (process.platform === "win32") return join(env["LOCALAPPDATA"] ?? join(home, "AppData", "Local"), name);
  if (process.platform === "darwin") return join(home, "Library", "Application Support", name);
  return join(env["XDG_STATE_HOME"] ?? join(home, ".local", "state"), name);
}
