/**
 * Can this sidecar do what it promises: take spans, and keep them until Langfuse has them? Langfuse itself need not be
 * there for that.
 */
import type { Pipeline } from "../../pipeline.ts";
import type { SpanBufferStats } from "../../stats.ts";
import type { BufferKind, RunningProject } from "../running-project.ts";

export interface Readiness {
  status: "ready" | "not ready";
  /** Of the sidecar as a whole; empty: all is well. */
  reasons: string[];
  projects: ProjectReadiness[];
}

interface ProjectReadiness {
  name: string;
  /** What concerns the events of old SDKs alone: spans are taken all the same. */
  reasons: string[];
  buffers: BufferReadiness[];
}

interface BufferReadiness {
  buffer: BufferKind;
  ready: boolean;
  state: SpanBufferStats["state"];
  pending: number;
  /** Why it is not ready, or what does not go well though it is. */
  reasons: string[];
}

export function readinessOf(projects: readonly RunningProject[], isShuttingDown: boolean): Readiness {
  const each = projects.map((project) => ({
    name: project.name,
    reasons: project.legacy.trouble === undefined ? [] : [`events of old SDKs: ${project.legacy.trouble}`],
    buffers: project.pipelines().map(({ kind, pipeline }) => bufferReadiness(kind, pipeline)),
  }));
  const isReady = !isShuttingDown && each.every(({ buffers }) => buffers.every(({ ready }) => ready));
  return {
    status: isReady ? "ready" : "not ready",
    reasons: isShuttingDown ? ["the sidecar is shutting down"] : [],
    projects: each,
  };
}

function bufferReadiness(buffer: BufferKind, pipeline: Pipeline): BufferReadiness {
  const { trouble } = pipeline;
  const { state, pending, lastError } = pipeline.stats();
  const delivery =
    state === "sending" || state === "stopped" ? undefined : `${deliveryWords[state]}${because(lastError)}`;
  const reasons = [trouble, delivery].filter((reason) => reason !== undefined);
  return { buffer, ready: trouble === undefined, state, pending, reasons };
}

const deliveryWords = {
  held: "Langfuse refuses the keys, or there are none: what comes is kept in the journal",
  "backing-off": "Langfuse takes nothing at the moment: what comes is kept in the journal",
} as const;

function because(lastError: string | undefined): string {
  return lastError === undefined ? "" : ` (${lastError})`;
}
