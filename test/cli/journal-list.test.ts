import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { bufferFor, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { cli, cliJson, eventsDirectory, hex, leaveJournal, ownerAt, score, storedSpan } from "./journal-support.ts";

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000 });

const owner = ownerAt("http://127.0.0.1:9");

interface Listed {
  total: { traces: number; spans: number; events: number; bytes: number };
  traces: { traceId: string; name?: string; spans: number; events: number; bytes: number; journals: string[] }[];
  unreadable: { journal: string }[];
}

/** Three traces in two journals, and a score. */
function prepared(): string {
  const directory = temporaryDirectory();
  const root = storedSpan(1, 1, { name: "call", input: "x".repeat(5_000) });
  const child = storedSpan(1, 2, { name: "llm", type: "generation", parentSpanId: hex(1_001, 16) });
  leaveJournal(directory, owner, [root, child, storedSpan(2, 1, { name: "old call" })], Date.now() - 3 * 3_600_000);
  leaveJournal(directory, owner, [
    storedSpan(3, 1, { parentSpanId: hex(77, 16), level: "ERROR" }),
    storedSpan(1, 3, { name: "tts", parentSpanId: hex(1_002, 16) }),
  ]);
  leaveJournal(eventsDirectory(directory), owner, [score("s1", hex(1, 32))]);
  return directory;
}

test("what waits is listed by trace, over all journals, sorted and limited as asked", async () => {
  const directory = prepared();
  const { code, result } = await cliJson<Listed>(["list", "--directory", directory, "--sort", "spans"]);
  expect(code).toBe(0);
  expect(result.total).toMatchObject({ traces: 3, spans: 5, events: 1 });
  expect(result.traces[0]).toMatchObject({
    traceId: hex(1, 32),
    name: "call",
    spans: 3,
    events: 1,
    journals: ["1", "2", "events/1"],
  });
  expect(result.traces.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(result.total.bytes);
  const byAge = await cliJson<Listed>(["list", "--directory", directory, "--limit", "2"]);
  expect(byAge.result.traces.map(({ traceId }) => traceId)).toEqual([hex(1, 32), hex(2, 32)]);
  const { stdout } = await cli(["list", "--directory", directory, "--limit", "1"]);
  expect(stdout).toMatch(/TRACE +NAME +SPANS +EVENTS +BYTES +AGE +JOURNAL/);
  expect(stdout).toContain("3 h");
  expect(stdout).toMatch(/5 spans and 1 event of 3 traces wait .*; 2 traces not shown/);
});

test("a trace is shown as a tree with its times, one span whole", async () => {
  const directory = prepared();
  const tree = await cli(["show", hex(1, 32), "--directory", directory]);
  expect(tree.code).toBe(0);
  const lines = tree.stdout.split("\n").map((line) => line.replaceAll(/ +/g, " "));
  expect(lines.slice(0, 5)).toEqual([
    "SPAN TYPE START DURATION LEVEL ID",
    "call 0 ms 10 ms 1:1",
    "└─ llm generation 1 ms 10 ms 1:2",
    " └─ tts 2 ms 10 ms 2:2",
    "score-create helpful events/1:1",
  ]);
  const orphan = await cli(["show", hex(3, 32), "--directory", directory]);
  expect(orphan.stdout).toMatch(/its parent is not here.*ERROR/);
  const one = await cliJson<{ records: { id: string; record: object }[] }>(["show", "2:2", "--directory", directory]);
  expect(one.result.records).toMatchObject([{ id: "2:2", record: storedSpan(1, 3, { name: "tts" }) }]);
  const none = await cli(["show", hex(9, 32), "--directory", directory]);
  expect(none).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("dead-letters list") });
});

test("names that would command the terminal do not", async () => {
  const directory = temporaryDirectory();
  leaveJournal(directory, owner, [storedSpan(1, 1, { name: "\u001b]0;owned\u0007\nnext line" })]);
  for (const args of [["list"], ["show", hex(1, 32)]]) {
    const { stdout } = await cli([...args, "--directory", directory]);
    // oxlint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/[\u001b\u0007]/);
    expect(stdout).toContain("next line");
  }
});

test("beside the process that holds the journal: what it has committed is seen", async () => {
  const directory = temporaryDirectory();
  const buffer = bufferFor("http://127.0.0.1:9", { directory });
  const span = buffer.startSpan("living");
  span.startSpan("inner").end();
  span.end();
  await until(() => buffer.stats().journalSpans === 2);
  const { result } = await cliJson<Listed>(["list", "--directory", directory]);
  expect(result).toMatchObject({ total: { spans: 2 }, traces: [{ traceId: span.traceId, name: "living", spans: 2 }] });
});

test("a journal that cannot be read is said, and the others are listed", async () => {
  const directory = prepared();
  writeFileSync(join(directory, "journal-7.sqlite"), "nothing of SQLite's ".repeat(1_000));
  const { code, result, stderr } = await cliJson<Listed>(["list", "--directory", directory]);
  expect(code).toBe(6);
  expect(result).toMatchObject({ total: { spans: 5 }, unreadable: [{ journal: "7" }] });
  expect(stderr).toContain("span-buffer verify");
});

test("a folder that is not there is an error, an empty one is not", async () => {
  const directory = temporaryDirectory();
  expect(await cli(["list", "--directory", join(directory, "none")])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("SPAN_BUFFER_DIRECTORY"),
  });
  mkdirSync(join(directory, "empty"));
  const { code, stdout } = await cli(["list"], { SPAN_BUFFER_DIRECTORY: join(directory, "empty") });
  expect(code).toBe(0);
  expect(stdout).toContain("nothing waits");
});
