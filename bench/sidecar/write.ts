/** Where the results go: bench/results for every run, docs for a run that is published. */
import { mkdirSync, writeFileSync } from "node:fs";
import { sidecarMarkdown } from "./report.ts";
import type { SidecarResults } from "./results.ts";

const resultFolder = new URL("../results/", import.meta.url);
const document = new URL("../../docs/benchmarks-sidecar.md", import.meta.url);

export function writeSidecarResults(results: SidecarResults): void {
  mkdirSync(resultFolder, { recursive: true });
  const name = results.isQuick ? "sidecar-quick" : "sidecar-report";
  writeFileSync(new URL(`${name}.json`, resultFolder), `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(new URL(`${name}.md`, resultFolder), sidecarMarkdown(results));
}

export function writeSidecarReport(results: SidecarResults): void {
  writeFileSync(document, sidecarMarkdown(results));
}
