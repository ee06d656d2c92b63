/** Where the results go: bench/results for every run, docs for a run that is published. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { backlogChart } from "./charts/backlog.ts";
import { latencyChart } from "./charts/latency.ts";
import { reportMarkdown } from "./report.ts";
import type { BenchResults } from "./results.ts";

interface Chart {
  file: string;
  title: string;
  /** Undefined when its trial did not run. */
  draw: (results: BenchResults) => string | undefined;
}

const charts: readonly Chart[] = [
  { file: "latency.svg", title: "Latency of one call, flat out", draw: latencyChart },
  { file: "backlog.svg", title: "Drain rate by backlog", draw: backlogChart },
];

const resultFolder = new URL("results/", import.meta.url);
const documentFolder = new URL("../docs/", import.meta.url);
const chartFolder = new URL("charts/", documentFolder);

/** Writes report.json, report.md and the charts. @returns the charts that could be drawn. */
export function writeResults(results: BenchResults): Chart[] {
  mkdirSync(resultFolder, { recursive: true });
  const drawn = charts.filter(({ file, draw }) => {
    const svg = draw(results);
    // One of an earlier run must not pass for one of this.
    if (svg === undefined) rmSync(new URL(file, resultFolder), { force: true });
    else writeFileSync(new URL(file, resultFolder), svg);
    return svg !== undefined;
  });
  writeFileSync(new URL("report.json", resultFolder), `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(new URL("report.md", resultFolder), reportMarkdown(results, drawn.map(linkTo("."))));
  return drawn;
}

/** Puts the charts and the report of a whole run among the documents. */
export function publishResults(results: BenchResults, drawn: readonly Chart[]): void {
  mkdirSync(chartFolder, { recursive: true });
  for (const { file } of drawn) copyFileSync(new URL(file, resultFolder), new URL(file, chartFolder));
  writeFileSync(new URL("benchmarks-report.md", documentFolder), reportMarkdown(results, drawn.map(linkTo("charts"))));
}

function linkTo(folder: string): (chart: Chart) => string {
  return ({ file, title }) => `![${title}](${folder}/${file})`;
}
