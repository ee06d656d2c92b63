import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { JournalView } from "../../src/buffer/journal-view.ts";
import { observationTypes } from "../../src/buffer/span-payload.ts";
import type { SpanBuffer } from "../../src/index.ts";
import type { StoredSpan } from "../../src/stand-in/index.ts";
import { bufferFor, standIn, until } from "../support/buffers.ts";
import { otlpJson } from "../support/sidecars.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import {
  cli,
  cliJson,
  eventsDirectory,
  hex,
  keysEnv,
  leaveJournal,
  ownerAt,
  score,
  storedSpan,
} from "./journal-support.ts";

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000 });

const owner = ownerAt("http://127.0.0.1:9");
const env = { ...keysEnv, LANGFUSE_BASE_URL: owner.baseUrl };

interface Imported {
  journals: string[];
  spans: number;
  events: number;
  cut: number;
  refused: Record<string, number>;
}

/** What a journal has, as texts. */
function payloads(directory: string, slot = 1): string[] {
  const view = new JournalView(join(directory, `journal-${slot}.sqlite`));
  try {
    return Array.from(view.spans(), ({ payload }) => payload.toString());
  } finally {
    view.close();
  }
}

/** One trace with a span of each type and every field, as the tracing API makes it. */
function traceEverything(buffer: SpanBuffer): void {
  const root = buffer.startSpan("call", {
    userId: "user-1",
    sessionId: "session-1",
    traceName: "voice call",
    tags: ["voice", "test"],
    traceMetadata: { campaign: "autumn", nested: { level: 2 } },
    public: true,
    input: "hello\nworld",
  });
  for (const type of observationTypes) {
    const span = root.startSpan(`${type} span`, {
      type,
      input: [{ role: "user", content: 'Grüße, "世界" 😀\n' }],
      output: { text: "twelve" },
      model: "gpt-4.1",
      modelParameters: { temperature: 0.5 },
      usageDetails: { input: 60, output: 9 },
      costDetails: { input: 0.001 },
      promptName: "greeting",
      promptVersion: 3,
      level: "WARNING",
      statusMessage: "slow",
      version: "1.4.2",
      metadata: { attempt: 2, list: [1, null, "x"] },
      attributes: { "http.status_code": 200, flag: true, ratio: 0.5, names: ["a", "b"] },
    });
    span.addEvent("first word", { ms: 240 }).setStatus({ code: "error", message: "late" });
    span.end();
  }
  root.end();
}

/** Delivers what a directory has, and returns what the server has stored of it. */
async function delivered(directory: string, baseUrl: string): Promise<void> {
  const { code } = await cliJson(["drain", "--directory", directory], { ...keysEnv, LANGFUSE_BASE_URL: baseUrl });
  expect(code).toBe(0);
}

function byId(spans: readonly StoredSpan[]): StoredSpan[] {
  return spans.toSorted((a, b) => a.id.localeCompare(b.id));
}

test("export and import as JSON Lines: every byte of every record is the same, scores too", async () => {
  const [from, to, file] = [temporaryDirectory(), temporaryDirectory(), join(temporaryDirectory(), "all.jsonl")];
  const buffer = bufferFor(owner.baseUrl, { directory: from, environment: "production", release: "r1" });
  traceEverything(buffer);
  await until(() => buffer.stats().journalSpans === 11);
  await buffer.shutdown({ timeoutMs: 2_000 });
  leaveJournal(eventsDirectory(from), owner, [score("s1", hex(1, 32))]);
  const exported = await cliJson(["export", "--directory", from, "--output", file]);
  expect(exported).toMatchObject({ code: 0, result: { spans: 11, events: 1, leftOut: [] } });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { code, result } = await cliJson<Imported>(["import", file, "--directory", to], env);
  expect(code).toBe(0);
  expect(result).toMatchObject({ spans: 11, events: 1, cut: 0, refused: {} });
  expect(payloads(to)).toEqual(payloads(from));
  expect(payloads(eventsDirectory(to))).toEqual(payloads(eventsDirectory(from)));
  const again = await cli(["export", "--directory", from, "--output", file]);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining("is there already") });
});

test("export and import as OTLP: the server stores what it would have stored", async () => {
  const [direct, byFile] = [await standIn(), await standIn()];
  const [from, to, file] = [temporaryDirectory(), temporaryDirectory(), join(temporaryDirectory(), "spans.json")];
  await direct.setFault({ kind: "down" });
  const buffer = bufferFor(direct.url, {
    directory: from,
    environment: "production",
    release: "r1",
    serviceName: "bot",
  });
  traceEverything(buffer);
  await until(() => buffer.stats().journalSpans === 11);
  await buffer.shutdown({ timeoutMs: 2_000 });
  await direct.setFault(undefined);
  const args = ["export", "--directory", from, "--format", "otlp-json", "--output", file];
  expect(await cliJson(args)).toMatchObject({ code: 0, result: { spans: 11, leftOut: [] } });
  expect(JSON.parse(readFileSync(file, "utf8").split("\n")[0] ?? "")).toHaveProperty("resourceSpans");
  const at = { ...keysEnv, LANGFUSE_BASE_URL: byFile.url };
  expect((await cliJson<Imported>(["import", file, "--directory", to], at)).result).toMatchObject({ spans: 11 });
  await delivered(from, direct.url);
  await delivered(to, byFile.url);
  expect(byId(byFile.spans())).toEqual(byId(direct.spans()));
  expect(direct.spans()).toHaveLength(11);
});

test("what cannot be taken is counted by its reason, the rest is taken", async () => {
  const [directory, file] = [temporaryDirectory(), join(temporaryDirectory(), "mixed.jsonl")];
  const lines = [
    JSON.stringify(storedSpan(1, 1)),
    "{ not JSON",
    JSON.stringify(storedSpan(1, 2, { traceId: "short" })),
    JSON.stringify({ ...storedSpan(1, 3), startTimeUnixNano: undefined }),
    "",
    otlpJson("from a Collector", 3),
    JSON.stringify({ resourceSpans: 7 }),
    JSON.stringify({ type: "score-create", body: {} }),
    JSON.stringify(storedSpan(1, 4, { input: "x".repeat(2_000_000) })),
  ];
  writeFileSync(file, lines.join("\r\n"));
  const { code, result } = await cliJson<Imported>(["import", file, "--directory", directory], env);
  expect(code).toBe(4);
  expect(result).toMatchObject({ spans: 5, events: 0, cut: 1 });
  expect(result.refused).toEqual({
    "a line is no JSON object": 1,
    "traceId is not 32 hex digits": 1,
    "no startTimeUnixNano": 1,
    "a request of OTLP: resourceSpans is no array": 1,
    "an event has no id or timestamp": 1,
  });
  expect(payloads(directory)).toHaveLength(5);
  expect(Math.max(...payloads(directory).map((text) => text.length))).toBeLessThanOrEqual(1_000_000);
});

test("a file without anything to take makes no journal", async () => {
  const [directory, file] = [temporaryDirectory(), join(temporaryDirectory(), "empty.jsonl")];
  writeFileSync(file, "nothing\n");
  const { code, result } = await cliJson<Imported>(["import", file, "--directory", directory], env);
  expect([code, result.journals]).toEqual([4, []]);
  expect(readdirSync(directory).filter((name) => name.includes("sqlite"))).toEqual([]);
  expect(existsSync(eventsDirectory(directory))).toBe(false);
});

test("what no line can be made of is left out and named; one trace alone goes to stdout", async () => {
  const directory = temporaryDirectory();
  leaveJournal(directory, owner, [storedSpan(1, 1), storedSpan(2, 1), storedSpan(2, 2)]);
  leaveJournal(eventsDirectory(directory), owner, [score("s1", hex(1, 32))]);
  const { stdout, code } = await cli(["export", "--trace", hex(2, 32), "--directory", directory]);
  expect(code).toBe(0);
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([storedSpan(2, 1), storedSpan(2, 2)]);
  const file = join(temporaryDirectory(), "spans.json");
  appendFileSync(
    join(directory, "journal-9.sqlite"),
    "no database at all, but long enough to be looked at".repeat(100),
  );
  const otlp = await cliJson(["export", "--format", "otlp-json", "--output", file, "--directory", directory]);
  expect(otlp).toMatchObject({
    code: 6,
    result: { spans: 3, leftOut: [{ id: "events/1:1" }], unreadable: [{ journal: "9" }] },
  });
});
