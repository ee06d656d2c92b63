/** The OpenTelemetry Collector beside the sidecar: built from bench/sidecar/collector, configured as like it as can be. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

const sources = fileURLToPath(new URL("collector", import.meta.url));
const cache = fileURLToPath(new URL("../../node_modules/.cache/span-buffer-bench", import.meta.url));
const buildLimitMs = 15 * 60_000;

export type Build = { isBuilt: true; file: string } | { isBuilt: false; reason: string };

/** Takes what an earlier run has built from the same sources. Nothing of it is in the measured time. */
export async function buildCollector(say: (what: string) => void): Promise<Build> {
  const file = join(cache, `collector-${sourceHash()}`);
  if (existsSync(file)) return { isBuilt: true, file };
  mkdirSync(cache, { recursive: true });
  try {
    await run("go", ["version"]);
  } catch {
    return { isBuilt: false, reason: "there is no Go here to build it with" };
  }
  say("building the Collector (some minutes, once)");
  try {
    await run("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", file, "."], {
      cwd: sources,
      env: { ...process.env, GOTOOLCHAIN: "local", CGO_ENABLED: "0" },
      timeout: buildLimitMs,
    });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1);
    return { isBuilt: false, reason: `it could not be built: ${said ?? (error as Error).message}` };
  }
  return { isBuilt: true, file };
}

/** Version of the Collector's parts, from go.mod. */
export function collectorVersion(): string {
  const modules = readFileSync(join(sources, "go.mod"), "utf8");
  return /collector\/otelcol (v\S+)/.exec(modules)?.[1] ?? "unknown";
}

function sourceHash(): string {
  const hash = createHash("sha256");
  for (const name of ["main.go", "go.mod", "go.sum"]) hash.update(readFileSync(join(sources, name)));
  return hash.digest("hex").slice(0, 12);
}

export interface CollectorSetup {
  /** Empty folder, for the queue and the configuration. */
  directory: string;
  port: number;
  sinkUrl: string;
  hasFsync: boolean;
  flushIntervalMs: number;
}

/**
 * Writes its configuration and returns the file. Where a choice had to be made, it was made for the Collector: batches
 * as large as Langfuse takes them instead of a hundred spans, no compression, no metrics of its own.
 */
export function writeCollectorConfig({ directory, port, sinkUrl, hasFsync, flushIntervalMs }: CollectorSetup): string {
  const queue = join(directory, "queue");
  mkdirSync(queue);
  const config = {
    extensions: { file_storage: { directory: queue, fsync: hasFsync } },
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: {
      otlp_http: {
        traces_endpoint: `${sinkUrl}/api/public/otel/v1/traces`,
        compression: "none",
        sending_queue: {
          storage: "file_storage",
          sizer: "items",
          // More than can come in a run: a refused request would be a cheap one.
          queue_size: 10_000_000,
          batch: { flush_timeout: `${flushIntervalMs}ms`, min_size: 1_000, max_size: 2_000 },
        },
      },
    },
    service: {
      extensions: ["file_storage"],
      pipelines: { traces: { receivers: ["otlp"], exporters: ["otlp_http"] } },
      telemetry: { logs: { level: "warn" }, metrics: { level: "none" } },
    },
  };
  const file = join(directory, "collector.yaml");
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config, undefined, 2));
  return file;
}
