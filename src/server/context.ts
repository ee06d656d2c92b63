import type { CommittingSink } from "../committing-sink.ts";
import type { Destination } from "../workers/messages.ts";
import type { LegacyEvents } from "./ingestion/legacy-events.ts";
import type { ResolvedSidecarOptions } from "./options.ts";

/** What every route is given. */
export interface ServerContext {
  readonly options: ResolvedSidecarOptions;
  readonly projects: Projects;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** One Langfuse project that callers may send to. */
export interface Project {
  /** For logs and metrics. */
  readonly name: string;
  /** Its secret key goes into requests, and nowhere else. */
  readonly destination: Destination;
  readonly spans: CommittingSink;
  /**
   * For what goes to the ingestion route as it came: scores, and the events of old SDKs for servers that take them. A
   * record is an event in JSON. Started with its first use.
   */
  readonly events: CommittingSink;
  /** For the traces and observations of old SDKs. */
  readonly legacy: Pick<LegacyEvents, "hold">;
}

/** Langfuse's words for those who are refused. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly message: string;
}

export interface Projects {
  /** Whose spans a request brings, by its Authorization header. */
  authenticate(authorization: string | undefined): Project | Refusal;
  all(): readonly Project[];
}

/** Structured: fields first, then a line for people. No field ever holds a header, a key or a payload. */
export interface Log {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

export type RecordKind = "span" | "score" | "event";

/** What happened to the records of requests; by project, kind and, where there is one, reason. */
export interface Metrics {
  /** Committed to the journal, and said so. */
  accepted(project: string, kind: RecordKind, count: number): void;
  /** Langfuse could never store them: named in the answer. */
  rejected(project: string, kind: RecordKind, reason: string, count: number): void;
  /** Came again after a lost answer, and were stored once. */
  repeated(project: string, kind: RecordKind, count: number): void;
  /** A request that was answered 503, since nothing could be persisted. */
  unavailable(project: string): void;
}
