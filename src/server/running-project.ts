import { join } from "node:path";
import type { CommittingSink } from "../committing-sink.ts";
import { hasEventLeftovers, openEventPipeline } from "../event-pipeline.ts";
import type { ResolvedOptions } from "../options.ts";
import { Pipeline } from "../pipeline.ts";
import type { FlushResult } from "../stats.ts";
import type { Destination } from "../workers/messages.ts";
import type { Log, Project } from "./context.ts";
import { LegacyEvents } from "./ingestion/legacy-events.ts";
import { SampledSink } from "./sampled-sink.ts";

/** The two buffers of a project: they share nothing, since a server may take the one's records and refuse the other's. */
export type BufferKind = "spans" | "events";

/** Below the directory of the spans' journals. */
export const heldFolder = "held";

/** Share of the time for closing that held events may take to reach the other two. */
const heldShare = 0.3;

const closedSink: CommittingSink = {
  offer: () => false,
  sequence: 0,
  whenCommitted: () => Promise.resolve(false),
  trouble: "the sidecar is shutting down",
};

/** A project with its buffers. */
export class RunningProject implements Project {
  readonly destination: Destination;
  readonly spans: CommittingSink;
  readonly legacy: LegacyEvents;
  readonly #options: ResolvedOptions;
  readonly #log: Log;
  readonly #spanPipeline: Pipeline;
  #name: string;
  #eventPipeline: Pipeline | undefined;
  #shutdown: Promise<FlushResult[]> | undefined;
  /** The buffers that there are now are shut down; another would not be. */
  #isClosing = false;

  constructor(name: string, options: ResolvedOptions, log: Log) {
    this.#name = name;
    this.#options = options;
    this.#log = log;
    const { baseUrl, publicKey = "", secretKey = "" } = options;
    this.destination = { baseUrl, publicKey, secretKey };
    this.#spanPipeline = new Pipeline({ ...options, logger: this.#loggerOf("spans") });
    this.spans = options.sampleRate < 1 ? new SampledSink(this.#spanPipeline, options.sampleRate) : this.#spanPipeline;
    // What an earlier process left is delivered without anybody asking.
    if (hasEventLeftovers(options)) this.#eventPipeline = this.#openEvents();
    const { directory, transport } = options;
    this.legacy = new LegacyEvents({ directory: join(directory, heldFolder), project: this, transport, log });
  }

  get name(): string {
    return this.#name;
  }

  /** Another label for the same project. */
  rename(name: string): void {
    this.#name = name;
  }

  get events(): CommittingSink {
    if (this.#eventPipeline === undefined && this.#isClosing) return closedSink;
    this.#eventPipeline ??= this.#openEvents();
    return this.#eventPipeline;
  }

  /** Those that are running. */
  pipelines(): { kind: BufferKind; pipeline: Pipeline }[] {
    const spans = { kind: "spans" as const, pipeline: this.#spanPipeline };
    return this.#eventPipeline === undefined ? [spans] : [spans, { kind: "events", pipeline: this.#eventPipeline }];
  }

  /** Delivers what can be delivered, leaves the rest in the journals for the next with these keys. */
  shutdown(limitMs: number): Promise<FlushResult[]> {
    this.#shutdown ??= this.#shutDown(limitMs);
    return this.#shutdown;
  }

  async #shutDown(limitMs: number): Promise<FlushResult[]> {
    const deadlineMs = performance.now() + limitMs;
    // First: what is complete goes into the buffers while they still take something.
    await this.legacy.close(limitMs * heldShare);
    this.#isClosing = true;
    const leftMs = Math.max(0, deadlineMs - performance.now());
    return await Promise.all(this.pipelines().map(({ pipeline }) => pipeline.shutdown(leftMs)));
  }

  #openEvents(): Pipeline {
    return openEventPipeline({ ...this.#options, logger: this.#loggerOf("events") });
  }

  #loggerOf(buffer: BufferKind): { warn(message: string): void; info(message: string): void } {
    const fields = (): Record<string, unknown> => ({ project: this.#name, buffer });
    return {
      warn: (message) => this.#log.warn(fields(), message),
      info: (message) => this.#log.info(fields(), message),
    };
  }
}
