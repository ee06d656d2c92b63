/** The figures as Markdown tables. */
import type { Cell } from "./plan.ts";
import { findRow, type Row, type SidecarResults, spansPerCpuSecond } from "./results.ts";
import { subjects } from "./subjects.ts";

/** Fewer answers have no 99.9th percentile: then the slowest is shown, and said to be that. */
const fewestForP999 = 1_000;

interface Column {
  head: string;
  text: (row: Row) => string;
}

const columns: readonly Column[] = [
  { head: "requests/s", text: ({ requestsPerSecond }) => figure(requestsPerSecond) },
  { head: "spans/s", text: ({ spansPerSecond }) => figure(spansPerSecond) },
  { head: "p50 ms", text: ({ latencies }) => figure(latencies?.p50) },
  { head: "p99 ms", text: ({ latencies }) => figure(latencies?.p99) },
  {
    head: "p99.9 ms",
    text: ({ latencies, answers }) =>
      answers < fewestForP999 ? `${figure(latencies?.most)} (slowest)` : figure(latencies?.p999),
  },
  { head: "CPU µs a span", text: ({ cpuMicrosPerSpan }) => figure(cpuMicrosPerSpan) },
  { head: "spans a CPU second", text: (row) => figure(spansPerCpuSecond(row)) },
  { head: "MB at the end (of files)", text: ({ memory }) => `${figure(memory.residentMb)} (${figure(memory.fileMb)})` },
  { head: "MB peak", text: ({ memory }) => figure(memory.peakMb) },
  { head: "left", text: ({ spansLeft }) => figure(spansLeft) },
  {
    head: "cores: subject, generator, sink",
    text: ({ subjectCores, generatorCores, sinkCores }) =>
      [subjectCores, generatorCores, sinkCores].map((cores) => cores.toFixed(2)).join(", "),
  },
];

/** One for each size and encoding. */
export function loadTables({ rows }: SidecarResults): string[] {
  return groups(rows).flatMap(({ cell, rows: some }) => {
    const { spansPerRequest, encoding } = cell;
    const bytes = some[0]?.meanBodyBytes ?? Number.NaN;
    const spans = spansPerRequest === 1 ? "1 span" : `${spansPerRequest} spans`;
    return [
      `### ${spans} a request, ${encoding} (${figure(bytes / 1000)} KB)`,
      table(
        ["connections", "subject", ...columns.map(({ head }) => head)],
        some.map((row) => [
          String(row.cell.connections),
          subjects[row.subject].title,
          ...columns.map(({ text }) => text(row)),
        ]),
      ),
    ];
  });
}

/** What waiting for the commit costs, by the sidecar that does not. */
export function commitTable({ rows }: SidecarResults): string[] {
  const lines = rows.flatMap((row) => {
    const without = findRow(rows, row.cell, "sidecar-uncommitted");
    if (row.subject !== "sidecar" || without === undefined) return [];
    return [
      [
        cellName(row.cell),
        figure((row.latencies?.p50 ?? Number.NaN) - (without.latencies?.p50 ?? Number.NaN)),
        figure((row.latencies?.p99 ?? Number.NaN) - (without.latencies?.p99 ?? Number.NaN)),
        figure(row.spansPerSecond / without.spansPerSecond),
        figure(row.cpuMicrosPerSpan / without.cpuMicrosPerSpan),
      ],
    ];
  });
  return lines.length === 0 ? [] : [table(["load", "p50 + ms", "p99 + ms", "× spans/s", "× CPU a span"], lines, 1)];
}

/** Which of the sidecar's threads uses how much CPU a span, in microseconds. */
export function threadTable({ rows }: SidecarResults): string[] {
  const some = rows.filter(({ threadMicrosPerSpan }) => Object.keys(threadMicrosPerSpan).length > 0);
  if (some.length === 0) return [];
  const heads = [...new Set(some.flatMap(({ threadMicrosPerSpan }) => Object.keys(threadMicrosPerSpan)))];
  return [
    table(
      ["load", "subject", "all", ...heads],
      some.map(({ cell, subject, cpuMicrosPerSpan, threadMicrosPerSpan }) => [
        cellName(cell),
        subjects[subject].title,
        figure(cpuMicrosPerSpan),
        ...heads.map((head) => figure(threadMicrosPerSpan[head])),
      ]),
    ),
  ];
}

export function cellName({ spansPerRequest, encoding, connections }: Cell): string {
  return `${spansPerRequest} × ${encoding} × ${connections}`;
}

/** Three digits that count are all that a shared machine can give. */
export function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function groups(rows: readonly Row[]): { cell: Cell; rows: Row[] }[] {
  const found = new Map<string, { cell: Cell; rows: Row[] }>();
  for (const row of rows) {
    const name = `${row.cell.spansPerRequest} ${row.cell.encoding}`;
    const group = found.get(name) ?? { cell: row.cell, rows: [] };
    group.rows.push(row);
    found.set(name, group);
  }
  return [...found.values()];
}

/** @param names columns that are no figures. */
function table(heads: readonly string[], lines: readonly (readonly string[])[], names = 2): string {
  return [line(heads), line(heads.map((_, index) => (index < names ? "---" : "---:"))), ...lines.map(line)].join("\n");
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
