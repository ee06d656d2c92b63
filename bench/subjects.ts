/** The subjects. Which trial runs which: bench/suite.ts. */
export interface SubjectRow {
  /** For `--only` and the JSON. */
  name: string;
  /** For people. */
  title: string;
  /** Module in bench/subjects. Several rows may share one. */
  file: string;
  options: Readonly<Record<string, string | number>>;
  note: string;
  /** Does it send spans to the sink? */
  isSending: boolean;
  /** Is it this package? Trials may give it further options. */
  isOurs: boolean;
  /** Ten minutes of outage in one: its limits and delays divided by ten, where it lets one set them. */
  tenth?: Tenth;
}

interface Tenth {
  options: Readonly<Record<string, number>>;
  env?: Readonly<Record<string, string>>;
  /** What could be divided and what not, for the report. */
  note: string;
}

const ours = (
  name: string,
  what: string,
  file: string,
  options: Readonly<Record<string, string>>,
  note: string,
): SubjectRow => ({
  name,
  title: `span-buffer ${what}`,
  file,
  options,
  note,
  isSending: true,
  isOurs: true,
  tenth: ourTenth,
});

const ourTenth: Tenth = {
  options: {
    exportTimeoutMs: 3_000,
    flushInterval: 3,
    maxQueueSize: 1_000,
    maxMemoryBytes: Math.round((256 * 2 ** 20) / 10),
    maxDiskBytes: Math.round(2 ** 30 / 10),
  },
  note: "memory, disk, queue, flush interval and time limit divided; its backoff (1 s to 60 s) cannot be set",
};

const otelQueueTenth = {
  OTEL_BSP_MAX_QUEUE_SIZE: "205",
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "51",
  OTEL_BSP_EXPORT_TIMEOUT: "3000",
};
const otelTenthNote =
  "queue (2,048), batch, delay and time limits divided; its retry delays (from 1 s) cannot be set and no longer fit";

const otel = (encoding: "json" | "protobuf", note: string): SubjectRow => ({
  name: `otel-${encoding}`,
  title: `otel batch ${encoding}`,
  file: "otel-batch.ts",
  options: { encoding },
  note,
  isSending: true,
  isOurs: false,
  tenth: {
    options: { timeoutMillis: 1_000 },
    env: { ...otelQueueTenth, OTEL_BSP_SCHEDULE_DELAY: "500" },
    note: otelTenthNote,
  },
});

const langfuse3 = (name: string, what: string, use: string, note: string): SubjectRow => ({
  name,
  title: `langfuse 3${what}`,
  file: "langfuse-3.ts",
  options: { flushAt: 100, use },
  note,
  isSending: true,
  isOurs: false,
  tenth: {
    options: { fetchRetryDelay: 300, requestTimeout: 500, flushInterval: 1_000 },
    note: "retry delay, time limit and flush interval divided; its three retries stay",
  },
});

const journalAlone = (spansPerTransaction: number): SubjectRow => ({
  name: `journal-by-${spansPerTransaction}`,
  title: `journal, ${spansPerTransaction.toLocaleString("en")} a transaction`,
  file: "journal.ts",
  options: { spansPerTransaction },
  note: "this package's journal alone, on the caller's thread",
  isSending: false,
  isOurs: false,
});

const enqueueFile = "span-buffer-enqueue.ts";

export const subjects: readonly SubjectRow[] = [
  {
    name: "none",
    title: "no tracing",
    file: "none.ts",
    options: {},
    note: "the same process without any of it",
    isSending: false,
    isOurs: false,
  },
  {
    name: "floor",
    title: "floor",
    file: "floor.ts",
    options: {},
    note: "`JSON.stringify(span)`, and its UTF-8 into a SharedArrayBuffer",
    isSending: false,
    isOurs: false,
  },
  ours(
    "enqueue-journal",
    "enqueue, journal",
    enqueueFile,
    { durability: "journal" },
    "this package, a finished span, default durability and sender",
  ),
  ours(
    "enqueue-overflow",
    "enqueue, overflow",
    enqueueFile,
    { durability: "overflow" },
    "this package, memory first, the disk when Langfuse is away",
  ),
  ours(
    "enqueue-strict",
    "enqueue, strict",
    enqueueFile,
    { durability: "strict" },
    "this package, on the disk before the call returns",
  ),
  ours(
    "enqueue-direct",
    "enqueue, journal, direct sender",
    enqueueFile,
    { durability: "journal", sender: "direct" },
    "this package, sent without the SDK",
  ),
  ours(
    "start-span",
    "startSpan…end, journal",
    "span-buffer-tracing.ts",
    { durability: "journal" },
    "this package's tracing interface: start, update, end",
  ),
  ours(
    "otel-buffered",
    "BufferedSpanProcessor, journal",
    "otel-buffered.ts",
    { durability: "journal" },
    "this package behind an OpenTelemetry tracer, called as the two otel batch subjects are",
  ),
  {
    name: "otel-unprocessed",
    title: "otel, no processor",
    file: "otel-unprocessed.ts",
    options: {},
    note: "the same tracer and nobody who takes its spans: what they cost by themselves",
    isSending: false,
    isOurs: false,
  },
  {
    name: "post-message",
    title: "postMessage",
    file: "post-message.ts",
    options: {},
    note: "the span object to a worker that does nothing with it",
    isSending: false,
    isOurs: false,
  },
  langfuse3(
    "langfuse-3",
    "",
    "finished",
    "one `generation()` a span with a trace id given, so without a trace event; flushAt 100",
  ),
  langfuse3(
    "langfuse-3-traced",
    ", trace and end",
    "traced",
    "as its documentation shows: `trace()`, `generation()`, `end()`, three events a span; flushAt 100",
  ),
  {
    name: "langfuse-otel",
    title: "@langfuse/otel 5",
    file: "langfuse-otel.ts",
    options: {},
    note: "@langfuse/tracing: startObservation, update, end; no context manager",
    isSending: true,
    isOurs: false,
    tenth: { options: { timeout: 0.5, flushInterval: 0.5 }, env: otelQueueTenth, note: otelTenthNote },
  },
  otel("json", "startSpan with all attributes, end; values are JSON text before the clock starts"),
  otel("protobuf", "the same with protobuf"),
  journalAlone(1),
  journalAlone(100),
  journalAlone(1_000),
];

/** @throws Error for a name that no row has. */
export function subjectNamed(name: string): SubjectRow {
  const row = subjects.find((subject) => subject.name === name);
  if (row === undefined) throw new Error(`there is no subject "${name}"`);
  return row;
}
