import * as v from "valibot";
import { maskPatternNames } from "./mask/mask-rules.ts";
import type { Logger, SpanBufferOptions } from "./options.ts";
import type { ShouldExportSpan } from "./tracing/filtering-sink.ts";

const seconds = (max: number) => v.pipe(v.number(), v.minValue(0.01), v.maxValue(max));
const count = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
const text = v.pipe(v.string(), v.nonEmpty());
const flag = v.boolean();
const publicKey = v.pipe(
  v.string(),
  v.nonEmpty(),
  v.check((key) => !key.startsWith("sk-")),
);
const baseUrl = v.pipe(v.string(), v.check(isPlainHttpUrl));
const durationMs = v.pipe(v.number(), v.minValue(0), v.finite());
const samplingRule = v.union([
  v.literal("errors"),
  v.strictObject({ minDurationMs: durationMs, name: v.optional(text) }),
  v.strictObject({ userId: v.union([text, v.pipe(v.array(text), v.minLength(1))]) }),
]);
const maskRule = v.union([
  v.picklist(maskPatternNames),
  // A name of signs alone would be every key.
  v.strictObject({ keys: v.pipe(v.array(v.pipe(v.string(), v.regex(/[\p{L}\p{N}]/u))), v.minLength(1)) }),
]);
const kib = 1024;
const mib = 1024 * kib;
const gib = 1024 * mib;

export interface OptionRow {
  schema: v.GenericSchema;
  /** What is allowed, for people. */
  allowed: string;
  fallback?: boolean | number | string;
  /** Environment variables, the first that is set counts. */
  env?: readonly string[];
  /** Its value is never shown. */
  isSecret?: true;
}

/** Every option: what it may be, what it is when nobody says, and which environment variables say so. */
export const optionTable: Readonly<Record<keyof SpanBufferOptions, OptionRow>> = {
  publicKey: {
    schema: publicKey,
    allowed: 'a public key ("pk-lf-…"); a secret key belongs into secretKey',
    env: ["LANGFUSE_PUBLIC_KEY"],
    isSecret: true,
  },
  secretKey: { schema: text, allowed: 'a secret key ("sk-lf-…")', env: ["LANGFUSE_SECRET_KEY"], isSecret: true },
  baseUrl: {
    schema: baseUrl,
    allowed: "an http or https URL without user name, password, query or fragment",
    fallback: "https://cloud.langfuse.com",
    env: ["LANGFUSE_BASE_URL", "LANGFUSE_BASEURL", "LANGFUSE_HOST"],
    // It may hold a password by mistake.
    isSecret: true,
  },
  destinations: {
    schema: v.record(
      v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/)),
      v.strictObject({ publicKey, secretKey: text, baseUrl: v.optional(baseUrl) }),
    ),
    allowed:
      "an object of names (up to 64 of A-Z a-z 0-9 _ . -), each with publicKey, secretKey and optionally baseUrl, and nothing else",
    isSecret: true,
  },
  enabled: {
    schema: flag,
    allowed: "true or false",
    fallback: true,
    env: ["LANGFUSE_TRACING_ENABLED", "ENABLE_TRACING"],
  },
  transport: {
    schema: v.picklist(["auto", "otlp", "ingestion"]),
    allowed: '"auto", "otlp" or "ingestion"',
    fallback: "auto",
    env: ["LANGFUSE_TRANSPORT"],
  },
  sender: {
    schema: v.picklist(["sdk", "direct"]),
    allowed: '"sdk" or "direct"',
    fallback: "sdk",
    env: ["SPAN_BUFFER_SENDER"],
  },
  compression: {
    schema: v.picklist(["none", "gzip"]),
    allowed: '"none" or "gzip"',
    fallback: "none",
    env: ["SPAN_BUFFER_COMPRESSION"],
  },
  durability: {
    schema: v.picklist(["journal", "overflow", "strict"]),
    allowed: '"journal", "strict" or "overflow"',
    fallback: "journal",
    env: ["SPAN_BUFFER_DURABILITY"],
  },
  directory: { schema: text, allowed: "a path", env: ["SPAN_BUFFER_DIRECTORY"] },
  crashLogDirectory: { schema: text, allowed: "a path", env: ["SPAN_BUFFER_CRASH_LOG_DIRECTORY"] },
  batchSize: { schema: count(1, 10_000), allowed: "1 … 10000", fallback: 100, env: ["LANGFUSE_FLUSH_AT"] },
  flushInterval: {
    schema: seconds(3_600),
    allowed: "0.01 … 3600 (seconds)",
    fallback: 30,
    env: ["LANGFUSE_FLUSH_INTERVAL"],
  },
  maxQueueSize: {
    schema: count(1, 1_000_000),
    allowed: "1 … 1000000",
    fallback: 10_000,
    env: ["LANGFUSE_MAX_QUEUE_SIZE"],
  },
  maxBatchBytes: { schema: count(kib, 64 * mib), allowed: "1 KiB … 64 MiB", fallback: 3_000_000 },
  maxSpanBytes: { schema: count(kib, 64 * mib), allowed: "1 KiB … 64 MiB", fallback: 1_000_000 },
  maxDiskBytes: { schema: count(64 * kib, 1024 * gib), allowed: "64 KiB … 1 TiB", fallback: gib },
  maxDeadLetterBytes: { schema: count(kib, 1024 * gib), allowed: "1 KiB … 1 TiB", fallback: 64 * mib },
  maxMemoryBytes: { schema: count(mib, 16 * gib), allowed: "1 MiB … 16 GiB", fallback: 256 * mib },
  ringBytes: { schema: count(4 * kib, gib), allowed: "4 KiB … 1 GiB", fallback: 16 * mib },
  overflowPolicy: {
    schema: v.picklist(["drop-oldest", "drop-newest"]),
    allowed: '"drop-oldest" or "drop-newest"',
    fallback: "drop-oldest",
  },
  exportThreads: { schema: count(1, 64), allowed: "1 … 64", fallback: 1 },
  exportConcurrency: { schema: count(1, 256), allowed: "1 … 256", fallback: 4 },
  exportTimeoutMs: { schema: count(10, 600_000), allowed: "10 … 600000 (milliseconds)", fallback: 30_000 },
  environment: {
    schema: v.pipe(v.string(), v.regex(/^(?!langfuse)[a-z0-9-_]{1,40}$/)),
    allowed: 'up to 40 of a-z 0-9 - _, not beginning with "langfuse"',
    env: ["LANGFUSE_TRACING_ENVIRONMENT"],
  },
  release: { schema: text, allowed: "a text", env: ["LANGFUSE_RELEASE"] },
  serviceName: { schema: text, allowed: "a text", env: ["OTEL_SERVICE_NAME"] },
  sampleRate: {
    schema: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
    allowed: "0 … 1",
    fallback: 1,
    env: ["LANGFUSE_SAMPLE_RATE"],
  },
  sampling: {
    schema: v.strictObject({
      keep: v.pipe(v.array(samplingRule), v.minLength(1)),
      waitMs: v.optional(count(1_000, 86_400_000)),
      maxBytes: v.optional(count(mib, gib)),
    }),
    allowed:
      '{ keep, waitMs?, maxBytes? }: keep is a list of "errors", { minDurationMs, name? } and { userId }; waitMs 1000 … 86400000, maxBytes 1 MiB … 1 GiB',
  },
  shouldExportSpan: {
    schema: v.custom<ShouldExportSpan>((value) => typeof value === "function"),
    allowed: "a function (span) => boolean",
  },
  mask: {
    schema: v.union([text, v.instance(URL), v.pipe(v.array(maskRule), v.minLength(1))]),
    allowed: `the path or file: URL of a module, or a list of ${maskPatternNames.map((name) => `"${name}"`).join(", ")} and { keys: ["password", …] }`,
  },
  maskJournal: { schema: flag, allowed: "true or false", fallback: false },
  media: { schema: flag, allowed: "true or false", fallback: true, env: ["LANGFUSE_MEDIA_UPLOAD_ENABLED"] },
  shutdownTimeoutMs: { schema: count(0, 600_000), allowed: "0 … 600000 (milliseconds)", fallback: 5_000 },
  logger: {
    schema: v.custom<Logger>((value) => typeof (value as Logger | null)?.warn === "function"),
    allowed: "an object with a method warn(message), and optionally info(message)",
  },
};

/** What users of other SDKs call our options. */
export const otherNames: Readonly<Record<string, keyof SpanBufferOptions>> = {
  flushAt: "batchSize",
  maxExportBatchSize: "batchSize",
  host: "baseUrl",
  url: "baseUrl",
  endpoint: "baseUrl",
  flushIntervalMs: "flushInterval",
  scheduledDelayMillis: "flushInterval",
  exportTimeoutMillis: "exportTimeoutMs",
  requestTimeout: "exportTimeoutMs",
  tracingEnabled: "enabled",
  path: "directory",
};

function isPlainHttpUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  const isHttp = url.protocol === "http:" || url.protocol === "https:";
  return isHttp && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
}
