/** Where the figures were taken: without it they mean nothing. Names no path, host or user. */
import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from "node:os";
import process from "node:process";

export interface Machine {
  cpuModel: string;
  cores: number;
  memoryGiB: number;
  platform: string;
  nodeVersion: string;
  packages: Record<string, string>;
}

const measuredPackages = [
  "langfuse",
  "@langfuse/otel",
  "@langfuse/tracing",
  "@opentelemetry/sdk-trace-base",
  "@opentelemetry/exporter-trace-otlp-http",
  "@opentelemetry/exporter-trace-otlp-proto",
];

export function describeMachine(): Machine {
  return {
    cpuModel: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${arch()}`,
    nodeVersion: process.version,
    packages: Object.fromEntries(measuredPackages.map((name) => [name, versionOf(name)])),
  };
}

/** Processes that wanted a core in the last minute, on average. Above the number of cores the figures are worthless. */
export function loadAverage(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

function versionOf(name: string): string {
  const file = findPackageJSON(name, import.meta.url);
  if (file === undefined) return "unknown";
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
