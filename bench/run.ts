/** `npm run bench -- [--only NAME[,NAME]] [--turns N] [--spans N]`: see docs/benchmarks.md. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { describeMachine, loadAverage } from "./machine.ts";
import { killRunning, runSubjectProcess, startSink } from "./processes.ts";
import { reportMarkdown } from "./report.ts";
import { type BenchResults, summarise } from "./results.ts";
import type { TurnResult } from "./subject-process.ts";
import { floorName, type SubjectRow, subjects } from "./subjects.ts";

interface Settings {
  rows: readonly SubjectRow[];
  turns: number;
  /** Most spans flat out. */
  spans: number;
}

const defaultTurns = 3;
const pacedSpans = 2500;
/** Enough for the compilers; a subject with few spans warms up with half as many. */
const mostWarmUpSpans = 5000;

/** @throws Error that names the option and what it allows. */
function readSettings(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: { only: { type: "string" }, turns: { type: "string" }, spans: { type: "string" } },
  });
  return {
    rows: values.only === undefined ? subjects : rowsNamed(values.only.split(",")),
    turns: positive("--turns", values.turns ?? String(defaultTurns)),
    spans: positive("--spans", values.spans ?? String(Number.MAX_SAFE_INTEGER)),
  };
}

/** The floor is always among them: without it there is no ratio. */
function rowsNamed(names: readonly string[]): SubjectRow[] {
  const unknown = names.find((name) => subjects.every((row) => row.name !== name));
  if (unknown !== undefined) {
    throw new Error(
      `--only: there is no subject "${unknown}"; there are ${subjects.map(({ name }) => name).join(", ")}`,
    );
  }
  return subjects.filter(({ name }) => name === floorName || names.includes(name));
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${option}: "${value}" is no whole number above 0`);
  return number;
}

async function run({ rows, turns, spans }: Settings): Promise<BenchResults> {
  const startedAt = new Date().toISOString();
  const atStart = loadAverage();
  const failures: BenchResults["failures"] = [];
  const results: Map<string, TurnResult>[] = [];
  const spansOf = (row: SubjectRow): number => Math.min(row.spans, spans);
  const sink = await startSink();
  try {
    for (let turn = 1; turn <= turns; turn++) {
      const ofThisTurn = new Map<string, TurnResult>();
      results.push(ofThisTurn);
      for (const row of rows) {
        if (failures.some(({ name }) => name === row.name)) continue;
        console.error(`turn ${turn} of ${turns}: ${row.name}`);
        try {
          ofThisTurn.set(row.name, await runTurn(row, spansOf(row), turn, sink.baseUrl));
        } catch (error) {
          failures.push({ name: row.name, reason: (error as Error).message });
        }
      }
    }
  } finally {
    await sink.stop();
  }
  return {
    machine: describeMachine(),
    startedAt,
    turns,
    loadAverage: { atStart, atEnd: loadAverage() },
    subjects: rows.flatMap((row) => summarise(row, spansOf(row), results) ?? []),
    failures,
  };
}

async function runTurn(row: SubjectRow, flatOutSpans: number, turn: number, baseUrl: string): Promise<TurnResult> {
  const directory = mkdtempSync(join(workFolder, "turn-"));
  try {
    return await runSubjectProcess({
      file: row.file,
      context: { baseUrl, directory, options: row.options },
      flatOutSpans,
      pacedSpans,
      warmUpSpans: Math.min(mostWarmUpSpans, Math.ceil(flatOutSpans / 2)),
      isSending: row.isSending,
      seed: turn * 1000,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function writeResults(results: BenchResults, markdown: string): void {
  const folder = new URL("results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL("hot-path.json", folder), `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(new URL("hot-path.md", folder), markdown);
}

const workFolder = mkdtempSync(join(tmpdir(), "span-buffer-bench-"));
process.on("exit", () => {
  killRunning();
  rmSync(workFolder, { recursive: true, force: true, maxRetries: 3 });
});
// Without a handler a signal would end the runner past its exit handler.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

try {
  const results = await run(readSettings(process.argv.slice(2)));
  const markdown = reportMarkdown(results);
  writeResults(results, markdown);
  console.log(markdown);
  // A bound that is missed is a figure; a subject that did not run is a failure.
  if (results.failures.length > 0) process.exitCode = 1;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
