/**
 * What the drop-ins say of themselves by OpenTelemetry's semantic names
 * (https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/). They are read from `stats()` when somebody collects,
 * so a span costs nothing for them; and they are the figures of the buffer, whoever has handed its spans over.
 */
import { type Attributes, createNoopMeter, type Meter, type MeterProvider, metrics } from "@opentelemetry/api";
import type { BatchObservableResult, Observable } from "@opentelemetry/api";
import type { SpanBuffer } from "../span-buffer.ts";
import type { SpanBufferStats } from "../stats.ts";

interface MetricRow {
  name: string;
  kind: "counter" | "up-down";
  description: string;
  /** Figures by cause of failure (`error.type`); "" is success, or a figure without causes. */
  figures: (stats: SpanBufferStats) => Readonly<Record<string, number>>;
}

// One line a row: it is read as a table. The descriptions are the semantic conventions'.
// biome-ignore format: a table
const rows: readonly MetricRow[] = [
  { name: "otel.sdk.processor.span.processed", kind: "counter",
    description: "The number of spans for which the processing has finished, either successful or failed.",
    figures: ({ accepted, recovered, dropped }) => ({
      "": accepted - recovered - dropped["memory-full"] - dropped["shut-down"] - dropped["sampled-out"],
      ...failures(dropped, ["memory-full", "shut-down"]),
    }) },
  { name: "otel.sdk.processor.span.queue.size", kind: "up-down",
    description: "The number of spans in the queue of a given instance of an SDK span processor.",
    figures: ({ pending }) => ({ "": pending }) },
  { name: "otel.sdk.exporter.span.inflight", kind: "up-down",
    description: "The number of spans which were passed to the exporter, but that have not been exported yet (neither successful, nor failed).",
    figures: ({ pending }) => ({ "": pending }) },
  { name: "otel.sdk.exporter.span.exported", kind: "counter",
    description: "The number of spans for which the export has finished, either successful or failed.",
    figures: ({ acknowledged, deadLettered, dropped }) => ({
      "": acknowledged, ...(deadLettered > 0 ? { "dead-lettered": deadLettered } : {}),
      ...failures(dropped, ["disk-full", "damaged"]),
    }) },
];

const meterName = "langfuse-span-buffer";

/** The drop-in classes; an exporter has a processor of somebody else's before it, which speaks for itself. */
export type Component = "BufferedSpanProcessor" | "BufferedSpanExporter";
const prefixes: Readonly<Record<Component, string>> = {
  BufferedSpanProcessor: "otel.sdk.",
  BufferedSpanExporter: "otel.sdk.exporter.",
};

/** By class, so that each component has a name of its own. */
const componentCounts = new Map<Component, number>();

export class SelfMetrics {
  readonly #buffer: SpanBuffer;
  readonly #attributes: Attributes;
  readonly #rows: readonly MetricRow[];
  #spansTaken = 0;
  /** With so many spans a global provider is looked for again, if there was none. */
  #nextLook = 1;
  #stop: (() => void) | undefined;

  /** @param provider `undefined`: the global one, which may be registered later. */
  constructor(component: Component, buffer: SpanBuffer, provider: MeterProvider | undefined) {
    this.#buffer = buffer;
    const count = componentCounts.get(component) ?? 0;
    componentCounts.set(component, count + 1);
    this.#attributes = { "otel.component.type": component, "otel.component.name": `${component}/${count}` };
    this.#rows = rows.filter(({ name }) => name.startsWith(prefixes[component]));
    this.#look(provider ?? metrics.getMeterProvider());
  }

  /** To be called for each span: two numbers are compared. */
  spanTaken(): void {
    if (++this.#spansTaken < this.#nextLook) return;
    // Registration is a matter of the first moments; asking each time is not worth it.
    this.#nextLook *= 2;
    this.#look(metrics.getMeterProvider());
  }

  end(): void {
    this.#nextLook = Number.POSITIVE_INFINITY;
    try {
      this.#stop?.();
    } catch {
      // As above.
    }
  }

  #look(provider: MeterProvider): void {
    try {
      const meter = provider.getMeter(meterName);
      if (meter === createNoopMeter()) return;
      this.#nextLook = Number.POSITIVE_INFINITY;
      this.#stop = this.#observe(meter);
    } catch {
      // Somebody else's provider. Spans go on without it.
      this.#nextLook = Number.POSITIVE_INFINITY;
    }
  }

  #observe(meter: Meter): () => void {
    const observed = this.#rows.map((row) => {
      const options = { unit: "{span}", description: row.description };
      const instrument: Observable =
        row.kind === "counter"
          ? meter.createObservableCounter(row.name, options)
          : meter.createObservableUpDownCounter(row.name, options);
      return { row, instrument };
    });
    const instruments = observed.map(({ instrument }) => instrument);
    const collect = (result: BatchObservableResult): void => {
      const stats = this.#buffer.stats();
      for (const { row, instrument } of observed) {
        for (const [cause, value] of Object.entries(row.figures(stats))) {
          const attributes = cause === "" ? this.#attributes : { ...this.#attributes, "error.type": cause };
          result.observe(instrument, value, attributes);
        }
      }
    };
    meter.addBatchObservableCallback(collect, instruments);
    return () => meter.removeBatchObservableCallback(collect, instruments);
  }
}

/** Those that have happened. */
function failures(
  dropped: SpanBufferStats["dropped"],
  causes: readonly (keyof SpanBufferStats["dropped"])[],
): Record<string, number> {
  return Object.fromEntries(causes.map((cause) => [cause, dropped[cause]] as const).filter(([, count]) => count > 0));
}
