/** The results as Markdown, for the terminal and for bench/results/report.md. */
import { boundLines } from "./bounds.ts";
import { pacedColumns } from "./columns.ts";
import type { Machine } from "./machine.ts";
import { type BenchResults, figureOf, pairedOf, rowOf, type Spread } from "./results.ts";
import { subjects } from "./subjects.ts";
import { trials } from "./suite.ts";
import type { Column, ResultRow, TrialResult } from "./trial.ts";

/** @param charts Markdown that shows the charts; its paths depend on where the report is. */
export function reportMarkdown(results: BenchResults, charts: readonly string[] = []): string {
  const { machine, startedAt, seconds, loadAverage, sinkLoad, isQuick } = results;
  const bounds = boundLines(results);
  const sections = [
    "# Benchmark report",
    machineLine(machine),
    [
      `${startedAt}, ${Math.round(seconds)} s`,
      `load average ${loadAverage.atStart} before and ${loadAverage.atEnd} after`,
      `the sink used ${percent(sinkLoad)} of a core`,
    ].join(", ") +
      ". Medians over the turns, in brackets the lowest and the highest. How to read it: docs/benchmarks.md.",
    ...(isQuick ? ["**A quick run: it shows that the suite works; its figures mean nothing.**"] : []),
    ...(bounds.length > 0 ? ["## Bounds", list(bounds)] : []),
    ...charts,
    ...results.trials.flatMap(trialSections),
    "## Subjects",
    list(namedIn(results).map(({ title, note }) => `${title}: ${note}`)),
  ];
  return `${sections.join("\n\n")}\n`;
}

function trialSections(result: TrialResult): string[] {
  const { name, title, note, turns, seconds, rows, notRun, failures, remarks } = result;
  const columns = trials.find((trial) => trial.name === name)?.columns ?? [];
  const sections = [
    `## ${title}`,
    `${note} (\`${name}\`, ${turns} turn${turns === 1 ? "" : "s"}, ${Math.round(seconds)} s)`,
    table(columns, result, rows),
  ];
  if (name === "hot-path") {
    for (const pace of [1_000, 10_000]) {
      sections.push(`At ${pace.toLocaleString("en")} spans a second:`, table(pacedColumns(pace), result, rows));
    }
  }
  const notes = [
    ...rows.flatMap(incompleteLines),
    ...remarks,
    ...notRun.map(({ subject, reason }) => `not run: ${titleOf(subject)}: ${reason}`),
    ...failures.map(({ subject, reason }) => `FAILED: ${titleOf(subject)}: ${reason}`),
  ];
  if (notes.length > 0) sections.push(list(notes));
  return sections;
}

function table(columns: readonly Column[], result: TrialResult, rows: readonly ResultRow[]): string {
  return [
    line(["subject", ...columns.map(({ head }) => head)]),
    line(["---", ...columns.map(() => "---:")]),
    ...rows.map((row) => line([rowTitle(row), ...columns.map((column) => cell(column, result, row))])),
  ].join("\n");
}

function cell(column: Column, result: TrialResult, row: ResultRow): string {
  const spread = spreadFor(column, result, row);
  const isOfTheSink = column.figure.startsWith("arrived");
  if (spread === undefined || (isOfTheSink && !isSending(row))) return "–";
  if (column.form === "share") return percent(spread.median);
  const shown = figure(spread.median);
  if (column.hasSpread !== true || spread.turns.length < 2) return shown;
  return `${shown} [${figure(spread.least)}–${figure(spread.most)}]`;
}

function spreadFor({ figure: name, over, less }: Column, result: TrialResult, row: ResultRow): Spread | undefined {
  const other = over ?? less;
  if (other === undefined) return figureOf(row, name);
  const reference = rowOf(result, other, row.variant);
  return pairedOf(row, reference, (value, base) => (over === undefined ? value - base : value / base), name);
}

function rowTitle({ title, variant }: ResultRow): string {
  return variant === undefined ? title : `${title}: ${variant}`;
}

function machineLine({ cpuModel, cores, memoryGiB, platform, nodeVersion, packages }: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return `${cpuModel}, ${cores} cores, ${memoryGiB} GiB, ${platform}, Node ${nodeVersion}; ${versions.join(", ")}.`;
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** Three digits that count are all that a shared machine can give. */
function figure(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** Rounded down: only what is whole is shown as whole. */
function percent(share: number): string {
  return `${Math.floor(share * 1000) / 10}%`;
}

/** A span that is lost, or not yet sent, costs nothing: such a subject looks better than it is. */
function incompleteLines(row: ResultRow): string[] {
  const lines: string[] = [];
  const figuresOf = (end: string): number[] =>
    row.samples.flatMap(({ figures }) =>
      Object.entries(figures).flatMap(([name, value]) => (name.endsWith(end) ? [value] : [])),
    );
  if (figuresOf("unsettled").some((value) => value === 1)) {
    lines.push(`${rowTitle(row)}: work was left when the time for it was over; its CPU is more than shown`);
  }
  const furthest = figuresOf("arrivedShare").reduce(
    (far, share) => (Math.abs(share - 1) > Math.abs(far - 1) ? share : far),
    1,
  );
  if (furthest !== 1 && isSending(row)) {
    lines.push(`${rowTitle(row)}: in its worst turn ${percent(furthest)} of its spans arrived; each once is 100%`);
  }
  return lines;
}

function isSending(row: ResultRow): boolean {
  return subjects.some(({ name, isSending }) => name === row.subject && isSending);
}

function titleOf(name: string): string {
  return subjects.find((subject) => subject.name === name)?.title ?? name;
}

function namedIn({ trials: results }: BenchResults): { title: string; note: string }[] {
  const names = new Set(results.flatMap(({ rows }) => rows.map(({ subject }) => subject)));
  return subjects.filter(({ name }) => names.has(name));
}
