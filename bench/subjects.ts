/** The subjects, in the order in which each turn runs them. */
export interface SubjectRow {
  /** For `--only` and the JSON. */
  name: string;
  /** For people. */
  title: string;
  /** Module in bench/subjects. Several rows may share one. */
  file: string;
  options: Readonly<Record<string, string>>;
  /** Spans flat out, unless `--spans` says fewer. */
  spans: number;
  /** Does it send to the sink? */
  isSending: boolean;
  note: string;
}

/** What the others are held against; it runs in every turn. */
export const floorName = "floor";

const manySpans = 30_000;
/** OTel's exporter refuses more than 30 requests of 512 spans at a flush: with more spans some would never be sent. */
const otelSpans = 10_000;
/** It writes its whole queue anew for each span. */
const langfuse3Spans = 2_000;

export const subjects: readonly SubjectRow[] = [
  {
    name: floorName,
    title: "floor",
    file: "floor.ts",
    options: {},
    spans: manySpans,
    isSending: false,
    note: "`JSON.stringify(span)`, and its UTF-8 into a SharedArrayBuffer",
  },
  {
    name: "enqueue-journal",
    title: "span-buffer enqueue, journal",
    file: "span-buffer-enqueue.ts",
    options: { durability: "journal" },
    spans: manySpans,
    isSending: true,
    note: "this package, a finished span, default durability",
  },
  {
    name: "enqueue-overflow",
    title: "span-buffer enqueue, overflow",
    file: "span-buffer-enqueue.ts",
    options: { durability: "overflow" },
    spans: manySpans,
    isSending: true,
    note: "this package, memory first",
  },
  {
    name: "start-span",
    title: "span-buffer startSpan…end, journal",
    file: "span-buffer-tracing.ts",
    options: { durability: "journal" },
    spans: manySpans,
    isSending: true,
    note: "this package's tracing interface: start, update, end",
  },
  {
    name: "post-message",
    title: "postMessage",
    file: "post-message.ts",
    options: {},
    spans: manySpans,
    isSending: false,
    note: "the span object to a worker that does nothing with it",
  },
  {
    name: "langfuse-3",
    title: "langfuse 3",
    file: "langfuse-3.ts",
    options: { flushAt: "100", use: "finished" },
    spans: langfuse3Spans,
    isSending: true,
    note: "one `generation()` a span with a trace id given, so without a trace event; flushAt 100",
  },
  {
    name: "langfuse-3-traced",
    title: "langfuse 3, trace and end",
    file: "langfuse-3.ts",
    options: { flushAt: "100", use: "traced" },
    spans: langfuse3Spans,
    isSending: true,
    note: "as its documentation shows: `trace()`, `generation()`, `end()`, three events a span; flushAt 100",
  },
  {
    name: "langfuse-otel",
    title: "@langfuse/otel 5",
    file: "langfuse-otel.ts",
    options: {},
    spans: otelSpans,
    isSending: true,
    note: "@langfuse/tracing: startObservation, update, end; no context manager",
  },
  {
    name: "otel-json",
    title: "otel batch json",
    file: "otel-batch.ts",
    options: { encoding: "json" },
    spans: otelSpans,
    isSending: true,
    note: "startSpan with all attributes, end; values are JSON text before the clock starts",
  },
  {
    name: "otel-protobuf",
    title: "otel batch protobuf",
    file: "otel-batch.ts",
    options: { encoding: "protobuf" },
    spans: otelSpans,
    isSending: true,
    note: "the same with protobuf",
  },
];
