/** What the figures say: the bounds, where the Collector is ahead, and what is not as it should be. */
import { encodings } from "./otlp-request.ts";
import { findRow, type Row, type SidecarResults, spansPerCpuSecond } from "./results.ts";
import { type SubjectName, subjects } from "./subjects.ts";
import { cellName, figure } from "./tables.ts";

const fewestSpansPerSecond = 20_000;
const boundSpansPerRequest = 100;

/** The two bounds of the sidecar's requirements. */
export function boundLines(results: SidecarResults): string[] {
  return [...rateLines(results), ...cpuLines(results, "collector-fsync"), ...cpuLines(results, "collector")];
}

function rateLines({ rows }: SidecarResults): string[] {
  return encodings.flatMap((encoding) => {
    const best = rows
      .filter(({ subject, cell }) => subject === "sidecar" && cell.encoding === encoding)
      .filter(({ cell }) => cell.spansPerRequest === boundSpansPerRequest)
      .sort((one, other) => other.spansPerSecond - one.spansPerSecond)[0];
    if (best === undefined) return [];
    const verdict = best.spansPerSecond >= fewestSpansPerSecond ? "met" : "MISSED";
    const bound = `at least ${fewestSpansPerSecond.toLocaleString("en")}, the load generator beside it`;
    return [
      `${verdict}: spans a second in requests of ${boundSpansPerRequest}, ${encoding}, ${best.cell.connections} connections: ${figure(best.spansPerSecond)} (${bound})`,
    ];
  });
}

function cpuLines({ rows }: SidecarResults, other: SubjectName): string[] {
  const ratios = rows.flatMap((row) => {
    const beside = findRow(rows, row.cell, other);
    if (row.subject !== "sidecar" || beside === undefined) return [];
    return [{ cell: row.cell, ratio: spansPerCpuSecond(row) / spansPerCpuSecond(beside) }];
  });
  if (ratios.length === 0) return [];
  const behind = ratios.filter(({ ratio }) => ratio < 1);
  // The requirement asks for it against the one that waits for the disk.
  const verdict = other === "collector-fsync" ? (behind.length === 0 ? "met" : "MISSED") : "no bound";
  const values = ratios.map(({ ratio }) => ratio);
  const range = `${figure(Math.min(...values))} to ${figure(Math.max(...values))} ×`;
  const which = behind.map(({ cell, ratio }) => `${cellName(cell)}: ${figure(ratio)} ×`).join("; ");
  return [
    `${verdict}: spans a CPU second to those of "${subjects[other].title}": ${range} in ${ratios.length} loads` +
      (behind.length === 0 ? "" : `; less in ${behind.length} (spans × encoding × connections): ${which}`),
  ];
}

/** Loads in which the Collector takes more spans a second, or its median answer comes sooner. */
export function slowerLines({ rows }: SidecarResults): string[] {
  return (["collector", "collector-fsync"] as const).flatMap((other) => {
    const pairs = rows.flatMap((row) => {
      const beside = findRow(rows, row.cell, other);
      return row.subject === "sidecar" && beside !== undefined ? [{ row, beside }] : [];
    });
    if (pairs.length === 0) return [];
    const { title } = subjects[other];
    return [
      listLine(`spans a second: "${title}" is ahead`, pairs, ({ spansPerSecond }) => spansPerSecond),
      listLine(`median answer: "${title}" is ahead`, pairs, ({ latencies }) => -(latencies?.p50 ?? Number.NaN)),
      listLine(`peak memory: "${title}" needs less`, pairs, ({ memory }) => -memory.peakMb),
    ];
  });
}

function listLine(what: string, pairs: readonly { row: Row; beside: Row }[], worth: (row: Row) => number): string {
  const behind = pairs.filter(({ row, beside }) => worth(row) < worth(beside));
  const factor = ({ row, beside }: { row: Row; beside: Row }): string => {
    const ratio = worth(row) / worth(beside);
    return `${cellName(row.cell)}: ${figure(ratio < 1 ? 1 / ratio : ratio)} ×`;
  };
  return `${what} in ${behind.length} of ${pairs.length} loads${behind.length === 0 ? "" : ` (${behind.map(factor).join("; ")})`}`;
}

/** A span that is lost, or a request that failed, costs nothing: such a subject looks better than it is. */
export function doubtLines({ rows, notRun, failures, machine, loadAverage }: SidecarResults): string[] {
  const isBusy = loadAverage.atStart > machine.cores / 2;
  return [
    ...(isBusy
      ? ["the machine was busy with something else when the run began: its rates and latencies mean little"]
      : []),
    ...rows.flatMap((row) => {
      const name = `${subjects[row.subject].title}, ${cellName(row.cell)}`;
      const isAll = Number.isNaN(row.arrivedShare) || row.arrivedShare === 1;
      return [
        ...(isAll ? [] : [`${name}: ${figure(row.arrivedShare * 100)}% of the spans arrived; each once is 100%`]),
        ...Object.entries(row.failures).map(([cause, count]) => `${name}: ${count} requests ended with: ${cause}`),
      ];
    }),
    ...saturationLines(rows, machine.cores),
    ...notRun.map(({ subject, reason }) => `not run: ${subjects[subject].title}: ${reason}`),
    ...failures.map(({ cell, subject, reason }) => `FAILED: ${subjects[subject].title}, ${cellName(cell)}: ${reason}`),
  ];
}

function saturationLines(rows: readonly Row[], cores: number): string[] {
  const fullShare = 0.9;
  const busy = rows.filter(
    (row) => row.subject !== "floor" && row.subjectCores + row.generatorCores + row.sinkCores > fullShare * cores,
  );
  const bounded = rows.filter((row) => row.subject !== "floor" && row.generatorCores > fullShare);
  return [
    `in ${busy.length} of ${rows.length} rows subject, generator and sink together used more than ${fullShare * 100}% of the ${cores} cores: there the rate is what the machine leaves, and CPU a span says more`,
    ...(bounded.length === 0
      ? []
      : [
          `the generator used more than ${fullShare * 100}% of a core, so that the subject might have taken more: ${bounded.map((row) => `${subjects[row.subject].title}, ${cellName(row.cell)}`).join("; ")}`,
        ]),
  ];
}
