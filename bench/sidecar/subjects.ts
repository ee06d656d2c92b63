/** Who is measured, and how each is started. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unitEnvironment } from "../../test/deploy/deploy-files.ts";
import { writeCollectorConfig } from "./collector.ts";
import { freePort, type ServerProcess, startNode, startOnPort } from "./server-process.ts";

export const subjectNames = [
  "sidecar",
  "sidecar-uncommitted",
  "sidecar-direct",
  "collector",
  "collector-fsync",
  "floor",
] as const;
export type SubjectName = (typeof subjectNames)[number];

export interface StartContext {
  /** Empty folder of this process alone. */
  directory: string;
  /** Plays Langfuse. */
  sinkUrl: string;
  /** Program of the Collector. */
  collectorFile: string;
  /** Where CPU profiles of the sidecar go; undefined: none are taken. */
  profileFolder: string | undefined;
}

export interface Subject {
  title: string;
  note: string;
  /** Does it pass on what it takes? */
  isDelivering: boolean;
  isCollector: boolean;
  isSidecar: boolean;
  /** Only when it is named. */
  isOnRequest?: true;
  /** Numbers of connections; undefined: all of the plan. */
  connections?: readonly number[];
  start(context: StartContext): Promise<ServerProcess>;
}

const keys = { publicKey: "pk-lf-bench", secretKey: "sk-lf-bench" } as const;

export const authorization: string = `Basic ${Buffer.from(`${keys.publicKey}:${keys.secretKey}`).toString("base64")}`;

/** How long an incomplete batch waits, for everybody: so that the end of a run does not wait for the usual 30 s. */
const flushIntervalMs = 500;

const commandLine = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const uncommitted = fileURLToPath(new URL("uncommitted.ts", import.meta.url));
const floor = fileURLToPath(new URL("floor.ts", import.meta.url));

export const subjects: Readonly<Record<SubjectName, Subject>> = {
  sidecar: {
    title: "sidecar",
    note: "`span-buffer serve` with its defaults, and the environment of `deploy/` (a young generation of 16 MB, glibc's settings): the answer comes after the commit (SQLite, WAL, `synchronous = NORMAL`: a commit outlives the process; the write-ahead log reaches the disk with a checkpoint).",
    isDelivering: true,
    isCollector: false,
    isSidecar: true,
    start: (context) => startSidecar([commandLine, "serve"], context),
  },
  "sidecar-uncommitted": {
    title: "sidecar, not waiting",
    note: "The same without waiting for the commit: the difference is its cost. Spans are journalled and delivered all the same. Only the benchmark can do so.",
    isDelivering: true,
    isCollector: false,
    isSidecar: true,
    start: (context) => startSidecar([uncommitted, "serve"], context),
  },
  "sidecar-direct": {
    title: "sidecar, direct sender",
    note: "The sidecar with `SPAN_BUFFER_SENDER=direct`: protobuf written by the export thread instead of Langfuse's SDK. Runs when it is named with `--only`.",
    isDelivering: true,
    isCollector: false,
    isSidecar: true,
    isOnRequest: true,
    start: (context) => startSidecar([commandLine, "serve"], context, { SPAN_BUFFER_SENDER: "direct" }),
  },
  collector: {
    title: "Collector",
    note: "OpenTelemetry Collector, OTLP/HTTP with a persistent sending queue (`file_storage`, bbolt) that does not wait for the disk, its default: as durable as the sidecar, a killed process loses nothing.",
    isDelivering: true,
    isCollector: true,
    isSidecar: false,
    start: (context) => startCollector(context, false),
  },
  "collector-fsync": {
    title: "Collector, fsync",
    note: "The same with `fsync: true`: each write of the queue waits for the disk, so what was answered outlives the machine too. More than the sidecar promises.",
    isDelivering: true,
    isCollector: true,
    isSidecar: false,
    start: (context) => startCollector(context, true),
  },
  floor: {
    title: "floor",
    note: "`node:http` that reads the request, answers 200 and keeps nothing: what the load generator and the machine can do at all.",
    isDelivering: false,
    isCollector: false,
    isSidecar: false,
    connections: [10],
    start: () => startNode([floor], {}),
  },
};

async function startSidecar(
  program: readonly string[],
  context: StartContext,
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const { directory, sinkUrl, profileFolder } = context;
  const journal = join(directory, "journal");
  mkdirSync(journal);
  const profiling = profileFolder === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profileFolder];
  return await startNode([...profiling, ...program, "--port", "0", "--directory", journal], {
    ...unitEnvironment(),
    LANGFUSE_PUBLIC_KEY: keys.publicKey,
    LANGFUSE_SECRET_KEY: keys.secretKey,
    LANGFUSE_BASE_URL: sinkUrl,
    LANGFUSE_FLUSH_INTERVAL: String(flushIntervalMs / 1000),
    ...env,
  });
}

async function startCollector(context: StartContext, hasFsync: boolean): Promise<ServerProcess> {
  const { directory, sinkUrl, collectorFile } = context;
  const port = await freePort();
  const config = writeCollectorConfig({ directory, port, sinkUrl, hasFsync, flushIntervalMs });
  return await startOnPort(collectorFile, ["--config", config], port);
}
