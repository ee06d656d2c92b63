import { expect, test } from "vitest";
import { resolveOptions } from "../../src/options.ts";

function resolve(
  options: Record<string, unknown>,
  env: Record<string, string> = {},
): ReturnType<typeof resolveOptions> {
  return resolveOptions(options, env);
}

test("defaults", () => {
  expect(resolve({}, { XDG_STATE_HOME: "/state" })).toMatchObject({
    baseUrl: "https://cloud.langfuse.com",
    enabled: true,
    transport: "auto",
    sender: "sdk",
    compression: "none",
    durability: "journal",
    batchSize: 100,
    flushInterval: 30,
    maxQueueSize: 10_000,
    maxBatchBytes: 3_000_000,
    maxSpanBytes: 1_000_000,
    maxDiskBytes: 1024 ** 3,
    maxMemoryBytes: 256 * 1024 ** 2,
    ringBytes: 16 * 1024 ** 2,
    overflowPolicy: "drop-oldest",
    exportThreads: 1,
    exportConcurrency: 4,
    shutdownTimeoutMs: 5_000,
    sampleRate: 1,
  });
});

test("the caller goes before the environment, the environment before the default; an empty variable is none", () => {
  const env = {
    LANGFUSE_FLUSH_AT: "7",
    LANGFUSE_FLUSH_INTERVAL: "2.5",
    LANGFUSE_HOST: "http://a/",
    LANGFUSE_RELEASE: "",
  };
  const options = resolve({ batchSize: 9 }, env);
  expect(options).toMatchObject({ batchSize: 9, flushInterval: 2.5, baseUrl: "http://a" });
  expect(options.release).toBeUndefined();
  expect(resolve({}, { LANGFUSE_BASE_URL: "http://b", LANGFUSE_HOST: "http://a" }).baseUrl).toBe("http://b");
});

test.each([
  ["true", true],
  ["1", true],
  ["False", false],
  ["off", false],
])("LANGFUSE_TRACING_ENABLED=%s", (text, expected) => {
  expect(resolve({}, { LANGFUSE_TRACING_ENABLED: text }).enabled).toBe(expected);
});

test.each<[Record<string, unknown>, Record<string, string>, RegExp]>([
  [{ batchsize: 1 }, {}, /unknown option "batchsize": did you mean "batchSize"\?/],
  [{ flushAt: 1 }, {}, /unknown option "flushAt": did you mean "batchSize"\?/],
  [{ host: "x" }, {}, /unknown option "host": did you mean "baseUrl"\?/],
  [{ maxQueSize: 1 }, {}, /did you mean "maxQueueSize"\?/],
  [{ qwertyuiop: 1 }, {}, /unknown option "qwertyuiop" \(docs/],
  [{ batchSize: 0 }, {}, /option "batchSize" 0 is not allowed: 1 … 10000/],
  [{ batchSize: "100" }, {}, /option "batchSize" "100" is not allowed/],
  [{ flushInterval: Number.NaN }, {}, /option "flushInterval" NaN is not allowed/],
  [{ sampleRate: 1.5 }, {}, /option "sampleRate" 1.5 is not allowed: 0 … 1/],
  [{ baseUrl: "langfuse.example" }, {}, /option "baseUrl" is not allowed: an http or https URL/],
  [{ environment: "Langfuse Prod" }, {}, /option "environment"/],
  [{ durability: "safe" }, {}, /option "durability" "safe" is not allowed: "journal", "strict" or "overflow"/],
  [{ sender: "undici" }, {}, /option "sender" "undici" is not allowed: "sdk" or "direct"/],
  [{ sender: "direct", compression: "br" }, {}, /option "compression" "br" is not allowed: "none" or "gzip"/],
  [{}, { SPAN_BUFFER_SENDER: "SDK" }, /option "SPAN_BUFFER_SENDER" "SDK" is not allowed/],
  [{ compression: "gzip" }, {}, /compression "gzip" has no effect with sender "sdk".*: use sender "direct"/],
  [{ sender: "sdk" }, { SPAN_BUFFER_COMPRESSION: "gzip" }, /compression "gzip" has no effect with sender "sdk"/],
  [
    { destinations: { "a b": { publicKey: "pk", secretKey: "sk" } } },
    {},
    /option "destinations" is not allowed: an object/,
  ],
  [{ destinations: { acme: { publicKey: "pk" } } }, {}, /option "destinations" is not allowed/],
  [{ destinations: { acme: { publicKey: "pk", secretKey: "sk", flushAt: 1 } } }, {}, /option "destinations"/],
  [{ mask: "./mask.js" }, {}, /option "mask" "\.\/mask\.js" is no file: allowed is the path or file: URL of a module/],
  [{ mask: "https://host/mask.js" }, {}, /option "mask" .* is no file/],
  [{ mask: "email" }, {}, /option "mask" "email" would be a module's path: the pattern is mask: \["email"\]/],
  [{ mask: ["emails"] }, {}, /option "mask".*"email", "phone", "card", "iban", "token"/],
  [{ mask: [] }, {}, /option "mask"/],
  [{ mask: [{ keys: ["--"] }] }, {}, /option "mask"/],
  [{ maskJournal: true }, {}, /maskJournal has no effect without mask/],
  [{ mask: import.meta.filename, maskJournal: true }, {}, /maskJournal does not go with a mask from a module/],
  [{ sampling: { keep: [] } }, {}, /option "sampling".*"errors"/],
  [{ sampling: { keep: ["slow"] } }, {}, /option "sampling"/],
  [{ shouldExportSpan: true }, {}, /option "shouldExportSpan" true is not allowed: a function/],
  [{ logger: {} }, {}, /option "logger"/],
  [{}, { LANGFUSE_FLUSH_AT: "many" }, /option "LANGFUSE_FLUSH_AT" "many" is not allowed/],
  [{ batchSize: -1, retries: 3 }, {}, /unknown option "retries".*; option "batchSize" -1/],
])("%j is refused in so many words", (options, env, message) => {
  expect(() => resolve(options, env)).toThrow(message);
});

test("compression goes with the direct sender, wherever the two come from", () => {
  const env = { SPAN_BUFFER_SENDER: "direct", SPAN_BUFFER_COMPRESSION: "gzip" };
  expect(resolve({}, env)).toMatchObject({ sender: "direct", compression: "gzip" });
  expect(resolve({ compression: "gzip" }, { SPAN_BUFFER_SENDER: "direct" })).toMatchObject({ compression: "gzip" });
  expect(resolve({ sender: "sdk", compression: "none" })).toMatchObject({ sender: "sdk", compression: "none" });
});

test("no secret is shown, not even a wrong one", () => {
  for (const options of [
    { secretKey: 12345 },
    { destinations: { acme: { publicKey: "sk-lf-12345", secretKey: "12345" } } },
    { publicKey: "sk-lf-12345" },
    { baseUrl: "https://user:12345@host" },
    { baseUrl: "https://host/?token=12345" },
  ]) {
    expect(() => resolve(options)).toThrow(TypeError);
    expect(() => resolve(options)).not.toThrow(/12345/);
  }
});

test("a mask is rules, or a module's URL; what was resolved resolves to the same", () => {
  const rules = ["email", { keys: ["password"] }];
  expect(resolve({ mask: rules, maskJournal: true })).toMatchObject({ mask: rules, maskJournal: true });
  const resolved = resolve({ mask: import.meta.filename });
  expect(resolved.mask).toBe(import.meta.url);
  expect(resolve({ ...resolved }).mask).toBe(import.meta.url);
});

test("options are frozen", () => {
  expect(Object.isFrozen(resolve({}))).toBe(true);
});
