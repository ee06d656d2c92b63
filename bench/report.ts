/** The results as Markdown, for the terminal and for bench/results/hot-path.md. */
import { boundLines } from "./bounds.ts";
import type { Machine } from "./machine.ts";
import type { BenchResults, SubjectSummary } from "./results.ts";

interface Column {
  head: string;
  cell: (subject: SubjectSummary) => string;
}

const flatOutColumns: readonly Column[] = [
  { head: "subject", cell: ({ title }) => title },
  { head: "spans", cell: ({ flatOutSpans }) => flatOutSpans.toLocaleString("en") },
  { head: "p50 µs", cell: ({ flatOut }) => figure(flatOut.p50Micros) },
  { head: "p99 µs", cell: ({ flatOut }) => figure(flatOut.p99Micros) },
  { head: "p99.9 µs", cell: ({ flatOut }) => figure(flatOut.p999Micros) },
  { head: "max µs", cell: ({ flatOut }) => figure(flatOut.maxMicros) },
  { head: "CPU µs a span", cell: ({ flatOut }) => figure(flatOut.cpuMicrosPerSpan) },
  { head: "… until the last call", cell: ({ flatOut }) => figure(flatOut.cpuMicrosPerSpanUntilLastCall) },
  { head: "× floor", cell: ({ cpuToFloor }) => (Number.isNaN(cpuToFloor) ? "–" : cpuToFloor.toFixed(2)) },
  { head: "CPU µs, all threads", cell: ({ flatOut }) => figure(flatOut.processCpuMicrosPerSpan) },
  { head: "loop delay p99 ms", cell: ({ flatOut }) => figure(flatOut.eventLoopDelayP99Ms) },
  { head: "spans/s", cell: ({ flatOut }) => Math.round(flatOut.spansPerSecond).toLocaleString("en") },
  { head: "arrived", cell: arrived },
];

const pacedColumns: readonly Column[] = [
  { head: "subject", cell: ({ title }) => title },
  { head: "p50 µs", cell: ({ paced }) => figure(paced.p50Micros) },
  { head: "p99 µs", cell: ({ paced }) => figure(paced.p99Micros) },
  { head: "p99.9 µs", cell: ({ paced }) => figure(paced.p999Micros) },
  { head: "max µs", cell: ({ paced }) => figure(paced.maxMicros) },
  { head: "loop delay p99 ms", cell: ({ paced }) => figure(paced.eventLoopDelayP99Ms) },
  { head: "spans/s", cell: ({ paced }) => Math.round(paced.spansPerSecond).toLocaleString("en") },
];

export function reportMarkdown(results: BenchResults): string {
  const { machine, subjects, failures, turns, startedAt, loadAverage } = results;
  const sections = [
    "# The hot path: what the caller's thread pays for one LLM span of 1.2 KB",
    machineLines(machine),
    `${startedAt}, medians of ${turns} turn${turns === 1 ? "" : "s"}, load average ${loadAverage.atStart} before and ${loadAverage.atEnd} after. How to read it: docs/benchmarks.md.`,
    "## Flat out",
    table(flatOutColumns, subjects),
    "## 1,000 spans a second",
    table(pacedColumns, subjects),
    "## Subjects",
    list(subjects.map(({ title, note }) => `${title}: ${note}`)),
  ];
  const bounds = boundLines(results);
  if (bounds.length > 0) sections.push("## Bounds", list(bounds));
  const incomplete = subjects.flatMap(incompleteLines);
  if (incomplete.length > 0) sections.push("## Not comparable", list(incomplete));
  if (failures.length > 0) {
    sections.push("## Did not run", list(failures.map(({ name, reason }) => `${name}: ${reason}`)));
  }
  return `${sections.join("\n\n")}\n`;
}

function machineLines({ cpuModel, cores, memoryGiB, platform, nodeVersion, packages }: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return `${cpuModel}, ${cores} cores, ${memoryGiB} GiB, ${platform}, Node ${nodeVersion}; ${versions.join(", ")}.`;
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function table(columns: readonly Column[], subjects: readonly SubjectSummary[]): string {
  return [
    line(columns.map(({ head }) => head)),
    line(columns.map((_, index) => (index === 0 ? "---" : "---:"))),
    ...subjects.map((subject) => line(columns.map(({ cell }) => cell(subject)))),
  ].join("\n");
}

/** Three digits that count are all that a shared machine can give. */
function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 10 ? 1 : 2);
}

function arrived({ arrivedShare }: SubjectSummary): string {
  return arrivedShare === undefined ? "–" : percent(arrivedShare);
}

/** Rounded down: only what is whole is shown as whole. */
function percent(share: number): string {
  return `${Math.floor(share * 1000) / 10}%`;
}

/** A span that is lost, or not yet sent, costs nothing: such a subject looks better than it is. */
function incompleteLines({ title, arrivedShare, isUnsettled }: SubjectSummary): string[] {
  const lines: string[] = [];
  if (isUnsettled) lines.push(`${title}: work was left when the time for it was over; its CPU is more than shown`);
  if (arrivedShare !== undefined && arrivedShare !== 1) {
    lines.push(
      `${title}: ${percent(arrivedShare)} of its spans arrived, each once is 100%; its CPU is not that of all`,
    );
  }
  return lines;
}
