/**
 * The buffers' figures for Prometheus. Those of one buffer come from one snapshot, so that within a scrape
 * `accepted = acknowledged + pending + dead_lettered + all dropped` holds.
 */
import { Counter, Gauge, type Registry } from "prom-client";
import { pumpStates } from "../../buffer/counters.ts";
import type { SpanBufferStats } from "../../stats.ts";
import type { RunningProject } from "../running-project.ts";

type Values = number | Record<string, number>;

interface Row {
  name: string;
  help: string;
  type: "counter" | "gauge";
  /** With it the value is one for each of this label's values. */
  label?: string;
  value: (stats: SpanBufferStats) => Values;
}

/**
 * An error is words (`/readyz` has them). A sidecar's projects are no destinations of one buffer, and each has its two
 * buffers, for spans and for events, with figures of their own.
 */
type Figure = Exclude<keyof SpanBufferStats, "lastError" | "destinations" | "scores">;

const seconds = 1 / 1_000;
const microseconds = 1 / 1_000_000;

const rows: Readonly<Record<Figure, Row>> = {
  accepted: counter("accepted_total", "Records taken, and those that earlier processes left", (it) => it.accepted),
  acknowledged: counter("acknowledged_total", "Records that Langfuse has", (it) => it.acknowledged),
  pending: gauge("pending", "Records on their way", (it) => it.pending),
  // No counter: a dead letter that is sent again is pending again.
  deadLettered: gauge("dead_lettered", "Records that Langfuse refused for good", (it) => it.deadLettered),
  deadLetterBytes: gauge("dead_letter_bytes", "Size of the table of dead letters", (it) => it.deadLetterBytes),
  deadLettersLeft: counter(
    "dead_letters_left_total",
    "Dead letters that left the table for newer ones",
    (it) => it.deadLettersLeft,
  ),
  dropped: { ...counter("dropped_total", "Records that are lost", (it) => it.dropped), label: "reason" },
  recovered: counter("recovered_total", "Records that earlier processes left in the journal", (it) => it.recovered),
  truncated: counter("truncated_total", "Records that were cut to fit a limit", (it) => it.truncated),
  resent: counter("resent_total", "Records sent again, since nobody acknowledged them", (it) => it.resent),
  endedTwice: counter("ended_twice_total", "Spans that were ended again", (it) => it.endedTwice),
  ringBytes: gauge("ring_bytes", "Bytes in the ring", (it) => it.ringBytes),
  journalSpans: gauge("journal_records", "Records in the journal", (it) => it.journalSpans),
  journalBytes: gauge("journal_bytes", "Size of the journal", (it) => it.journalBytes),
  oldestPendingAgeMs: gauge(
    "oldest_pending_age_seconds",
    "Age of the oldest pending record",
    (it) => it.oldestPendingAgeMs * seconds,
  ),
  state: {
    ...gauge("state", "1 for the state that the buffer is in", ({ state }) =>
      Object.fromEntries(pumpStates.map((each) => [each, each === state ? 1 : 0])),
    ),
    label: "state",
  },
  enqueueMicros: {
    ...gauge("enqueue_seconds", "Time to take a record, by quantile; 1 is the longest", ({ enqueueMicros }) => ({
      "0.5": enqueueMicros.p50 * microseconds,
      "0.99": enqueueMicros.p99 * microseconds,
      "1": enqueueMicros.max * microseconds,
    })),
    label: "quantile",
  },
  exportMs: {
    ...gauge("export_seconds", "Time of a batch from the pump to its outcome, by quantile", ({ exportMs }) => ({
      "0.5": exportMs.p50 * seconds,
      "0.99": exportMs.p99 * seconds,
    })),
    label: "quantile",
  },
};

/** Figures of one buffer under their names in OpenTelemetry's conventions for SDKs, for dashboards that know these. */
const conventionRows: readonly Row[] = [
  {
    name: "otel_sdk_processor_span_queue_size",
    help: "The number of spans in the queue",
    type: "gauge",
    value: (it) => it.pending,
  },
  {
    name: "otel_sdk_processor_span_processed_total",
    help: "The number of spans for which the processing has finished, successful or failed",
    type: "counter",
    label: "error_type",
    value: (it) => ({ "": it.acknowledged, rejected: it.deadLettered, ...it.dropped }),
  },
  {
    name: "otel_sdk_exporter_span_exported_total",
    help: "The number of spans for which the export has finished, successful or failed",
    type: "counter",
    label: "error_type",
    value: (it) => ({ "": it.acknowledged, rejected: it.deadLettered }),
  },
];

type LabelsOf = (project: string, buffer: string) => Record<string, string>;

interface Family {
  labelsOf: LabelsOf;
  labelNames: readonly string[];
  rows: readonly Row[];
}

const families: readonly Family[] = [
  {
    labelsOf: (project, buffer) => ({ project, buffer }),
    labelNames: ["project", "buffer"],
    rows: Object.values(rows),
  },
  {
    labelsOf: (project, buffer) => ({
      otel_component_name: `${project}/${buffer}`,
      otel_component_type: "span_buffer_processor",
    }),
    labelNames: ["otel_component_name", "otel_component_type"],
    rows: conventionRows,
  },
];

interface Metric {
  row: Row;
  labelsOf: LabelsOf;
  metric: Counter | Gauge;
}

export class BufferMetrics {
  readonly #metrics: readonly Metric[];
  readonly #heldBytes: Gauge;

  constructor(registry: Registry) {
    this.#heldBytes = new Gauge({
      name: "span_buffer_held_event_bytes",
      help: "Events of old SDKs that wait to be whole, or for Langfuse",
      labelNames: ["project"],
      registers: [registry],
    });
    this.#metrics = families.flatMap(({ labelsOf, labelNames, rows }) =>
      rows.map((row) => {
        const labels = [...labelNames, ...(row.label === undefined ? [] : [row.label])];
        const configuration = { name: row.name, help: row.help, labelNames: labels, registers: [registry] };
        const metric = row.type === "counter" ? new Counter(configuration) : new Gauge(configuration);
        return { row, labelsOf, metric };
      }),
    );
  }

  /** Takes the figures of this moment. Those of projects that are no longer there go. */
  update(projects: readonly RunningProject[]): void {
    for (const { metric } of this.#metrics) metric.reset();
    this.#heldBytes.reset();
    for (const project of projects) {
      this.#heldBytes.set({ project: project.name }, project.legacy.heldBytes);
      for (const { kind, pipeline } of project.pipelines()) {
        const stats = pipeline.stats();
        for (const { row, labelsOf, metric } of this.#metrics) {
          const labels = labelsOf(project.name, kind);
          for (const [value, labelValue] of valuesOf(row, stats)) {
            metric.inc(row.label === undefined ? labels : { ...labels, [row.label]: labelValue }, value);
          }
        }
      }
    }
  }
}

function* valuesOf(row: Row, stats: SpanBufferStats): Generator<[value: number, labelValue: string]> {
  const values = row.value(stats);
  if (typeof values === "number") yield [values, ""];
  else for (const [labelValue, value] of Object.entries(values)) yield [value, labelValue];
}

function counter(name: string, help: string, value: Row["value"]): Row {
  return { name: `span_buffer_${name}`, help, type: "counter", value };
}

function gauge(name: string, help: string, value: Row["value"]): Row {
  return { name: `span_buffer_${name}`, help, type: "gauge", value };
}
