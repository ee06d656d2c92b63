import { Counter, type Registry } from "prom-client";
import type { Metrics, RecordKind } from "../context.ts";

/** What came in, and what was said about it. The buffers' own figures are in buffer-metrics.ts. */
export class ReceiverMetrics implements Metrics {
  readonly #accepted: Counter<"project" | "kind">;
  readonly #rejected: Counter<"project" | "kind" | "reason">;
  readonly #repeated: Counter<"project" | "kind">;
  readonly #unavailable: Counter<"project">;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#accepted = new Counter({
      name: "span_buffer_receiver_accepted_total",
      help: "Records that were committed to the journal, and answered so",
      labelNames: ["project", "kind"],
      registers,
    });
    this.#rejected = new Counter({
      name: "span_buffer_receiver_rejected_total",
      help: "Records that Langfuse could never store, named in the answer",
      labelNames: ["project", "kind", "reason"],
      registers,
    });
    this.#repeated = new Counter({
      name: "span_buffer_receiver_repeated_total",
      help: "Records that came again after a lost answer, and were stored once",
      labelNames: ["project", "kind"],
      registers,
    });
    this.#unavailable = new Counter({
      name: "span_buffer_receiver_unavailable_total",
      help: "Requests that were answered 503, since nothing could be persisted",
      labelNames: ["project"],
      registers,
    });
  }

  accepted(project: string, kind: RecordKind, count: number): void {
    this.#accepted.inc({ project, kind }, count);
  }

  rejected(project: string, kind: RecordKind, reason: string, count: number): void {
    this.#rejected.inc({ project, kind, reason }, count);
  }

  repeated(project: string, kind: RecordKind, count: number): void {
    this.#repeated.inc({ project, kind }, count);
  }

  unavailable(project: string): void {
    this.#unavailable.inc({ project });
  }
}
