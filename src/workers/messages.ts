/**
 * Everything that threads say to each other, in one place. Three kinds of thread:
 *
 *     caller ──CallerMessage──► pump ──ExportTask──► export thread (Piscina)
 *     caller ◄──PumpMessage──── pump ◄─ExportReport─ export thread
 *
 * Spans do not travel here on their way in: they go through the ring (src/buffer/ring.ts). Counters do not either:
 * they are in shared memory (src/buffer/counters.ts), so that `stats()` is synchronous.
 */

import type { MaskSpec } from "../mask/mask-rules.ts";

/** Where spans go and with whose keys. It lives in memory and in messages only, never in the journal or a log. */
export interface Destination {
  /** Without a trailing slash. */
  baseUrl: string;
  publicKey: string;
  secretKey: string;
}

/** Langfuse's two routes for spans. */
export type Transport = "otlp" | "ingestion";

/** Who makes the requests of the OTLP route: Langfuse's SDK, or connections of our own. Ingestion is always the SDK's. */
export type SenderName = "sdk" | "direct";

/** Of the direct sender's requests; the SDK cannot compress. */
export type Compression = "none" | "gzip";

/** Deliver one batch: the task named `send`. */
export interface ExportTask {
  destination: Destination;
  /** `auto`: ask the server's health route (the answer is remembered for the destination). */
  transport: Transport | "auto";
  sender: SenderName;
  compression: Compression;
  /** What is hidden before anything is sent; undefined: nothing is. */
  mask?: MaskSpec | undefined;
  /** Does what stands in data URIs go as Langfuse media? */
  media?: boolean;
  /** The batch's payloads (UTF-8 JSON of a `SpanPayload`) end to end. Transferred, not copied. */
  payloads: Uint8Array<ArrayBuffer>;
  /** The length in bytes of each payload, in order. */
  lengths: number[];
  /** Time limit of one HTTP request in milliseconds, from connect to the last byte of the answer. */
  timeoutMs: number;
}

/** What became of one span of a batch whose answer is per event (207). */
export interface SpanVerdict {
  outcome: "acknowledged" | "rejected" | "retry" | "hold";
  status?: number;
  reason?: string;
}

/**
 * What an answer means for a batch; the table itself is src/export/classify.ts.
 *
 * - `acknowledged`: the server has all of them.
 * - `per-span`: see `spans`, one verdict for each span of the task, in order.
 * - `rejected`: the request is at fault. One span: dead letter. Several: halve and send both.
 * - `too-large`: split by bytes. For a single span the export thread has already tried to send it truncated.
 * - `hold`: the keys are refused. Keep everything and probe now and then.
 * - `wait`: the server asked for a pause of `retryAfterMs`.
 * - `retry`: outage. Back off.
 * - `change-transport`: this server speaks the other route; send the batch again with `transport`.
 */
export type ExportVerdict =
  | "acknowledged"
  | "per-span"
  | "rejected"
  | "too-large"
  | "hold"
  | "wait"
  | "retry"
  | "change-transport";

export interface ExportReport {
  verdict: ExportVerdict;
  /** HTTP status of the deciding answer; absent when there was none (network, timeout). */
  status?: number;
  /** One line for people: what happened and what to do. Never holds a secret. */
  reason?: string;
  /** With `wait`: milliseconds, already limited to 1 s … 10 min. */
  retryAfterMs?: number;
  /** With `per-span`: as many as the task had spans. */
  spans?: SpanVerdict[];
  /** The transport that was used, or with `change-transport` the one to use from now on. */
  transport?: Transport;
  /** Spans whose largest fields were cut to get below the server's limit. */
  truncated: number;
  /** What people should know besides, in one line; said now and then. */
  notice?: string;
  /** HTTP requests made for this task, hiccups included. */
  requests: number;
  durationMs: number;
  /** Memory of the export thread afterwards, in bytes; absent when there is no telling. */
  memoryBytes?: number;
}

/** Who am I for this server, and does it answer? The task named `checkAuth`. */
export interface AuthCheckTask {
  destination: Destination;
  timeoutMs: number;
}

export type AuthCheckCause =
  | "disabled"
  | "keys-missing"
  | "unknown-key"
  | "no-permission"
  | "unreachable"
  | "not-langfuse"
  | "server-error";

export interface AuthCheckResult {
  ok: boolean;
  /** What is wrong, for programs. */
  cause?: AuthCheckCause;
  /** What is wrong and what to do, in one line for people. */
  reason?: string;
  project?: { id: string; name: string };
  serverVersion?: string;
  transport?: Transport;
}

/** The ring of a thread of the host (src/buffer/attached-link.ts). */
export interface AttachedRing {
  /** As `ringId` of `PumpSetup`. */
  id: string;
  memory: SharedArrayBuffer;
  /** Of the buffer's own ring. */
  lead: SharedArrayBuffer;
}

/** What a pump is born with (its `workerData`). */
export interface PumpSetup {
  ring: SharedArrayBuffer;
  /** Those that there are already. */
  attached: readonly AttachedRing[];
  counters: SharedArrayBuffer;
  /** Names the ring, so that a pump that follows a crashed one finds its journal, and its position in it. */
  ringId: string;
  /** An earlier pump of this ring has crashed. */
  isRestart: boolean;
  baseUrl: string;
  /** Undefined: no keys are configured; spans stay in the journal. */
  destination: Destination | undefined;
  transport: Transport | "auto";
  sender: SenderName;
  compression: Compression;
  mask?: MaskSpec | undefined;
  media?: boolean;
  durability: "journal" | "overflow";
  directory: string;
  /** Where crash logs are looked for. */
  crashLogDirectory: string;
  /** Does the caller write one? */
  hasCrashLog: boolean;
  batchSize: number;
  flushIntervalMs: number;
  maxQueueSize: number;
  maxBatchBytes: number;
  maxDiskBytes: number;
  maxDeadLetterBytes: number;
  maxMemoryBytes: number;
  overflowPolicy: "drop-oldest" | "drop-newest";
  exportThreads: number;
  exportConcurrency: number;
  exportTimeoutMs: number;
  /** URL of the module with the tasks `send` and `checkAuth`. */
  exportTaskUrl: string;
}

/** One of the spans that the server will never take. */
export interface DeadLetterSummary {
  id: number;
  /** Empty, all three, when what was stored is no span. */
  traceId: string;
  spanId: string;
  name: string;
  /** HTTP status of the answer; undefined: there was none. */
  status: number | undefined;
  /** The server's words, or ours. */
  reason: string;
  /** Milliseconds since 1970. */
  diedAtMs: number;
  acceptedAtMs: number;
  /** Of the stored span. */
  bytes: number;
}

/** What is to be done with dead letters: src/workers/dead-letter-desk.ts does it, src/dead-letters.ts says what comes back. */
export type DeadLetterCommand =
  | { name: "list"; limit: number; before: number | undefined }
  | { name: "get"; id: number }
  | { name: "retry" | "remove"; ids: readonly number[] | "all" };

export type CallerMessage =
  /** A thread of the host has a ring of its own from now on. */
  | { type: "attach"; ring: AttachedRing }
  | { type: "dead-letters"; id: number; command: DeadLetterCommand }
  /** Deliver what is in the ring now and in the journal; answered with `done`. */
  | { type: "flush"; id: number }
  /** Commit everything, wait for what is in flight at most so long, close the journal, end; answered with `done`. */
  | { type: "close"; id: number; graceMs: number }
  | { type: "check-auth"; id: number; task: AuthCheckTask };

export type PumpMessage =
  /** `error`: why it could not be done. */
  | { type: "dead-letters-done"; id: number; result: unknown; error: string | undefined }
  | { type: "done"; id: number }
  /** The pump works, and has for a while. */
  | { type: "running" }
  /** A thread's ring is drained and let go of, after so many frames (modulo 2^32). */
  | { type: "detached"; ringId: string; frames: number }
  /** The journal that takes this ring's spans. */
  | { type: "journal"; id: string }
  | { type: "auth-checked"; id: number; result: AuthCheckResult }
  /** For the caller's logger; already limited in rate. */
  | { type: "notice"; level: "info" | "warn"; message: string }
  /** The latest failure, for `stats()`; undefined once spans flow again. */
  | { type: "last-error"; message: string | undefined };
