import { threadId } from "node:worker_threads";
import type { Constants } from "./buffer/constant-fields.ts";
import type { JournalOwner } from "./buffer/journal-owner.ts";
import { ringCapacityBytes } from "./buffer/ring.ts";
import type { MaskSpec } from "./mask/mask-rules.ts";
import type { ResolvedOptions } from "./options.ts";

export const handleKind = "langfuse-span-buffer handle";

/** A handle of another version of this package, whose ring may be another, is refused. */
const handleVersion = 1;

/** An attached thread's ring need not hold more than what comes until the pump looks, some milliseconds later. */
const attachedRingBytes = 1024 * 1024;

/** An attached thread's share of `maxMemoryBytes`, for what waits beside its ring; one piece of it at least. */
const memoryShare = 1 / 8;
const leastMemoryBytes = 1024 * 1024;

/**
 * What another thread of the process needs to `attach` to a buffer. It can be sent to as many threads as you like, by
 * `workerData` or any message, and holds no secret. What is in it is nobody's business: it changes with the version.
 */
export interface SpanBufferHandle {
  readonly kind: typeof handleKind;
  readonly version: number;
  /** Undefined: tracing is off. */
  readonly target: HandleTarget | undefined;
}

export interface HandleTarget {
  /** Where rings are announced. */
  readonly channel: string;
  /** Of the thread that owns the buffer. */
  readonly threadId: number;
  /** Of the buffer's own ring. */
  readonly leadId: string;
  /** The buffer's own ring. */
  readonly lead: SharedArrayBuffer;
  readonly ringBytes: number;
  readonly maxSpanBytes: number;
  readonly maxMemoryBytes: number;
  /** What a thread that ends gives the pump to make room for what waits beside its ring. */
  readonly endTimeoutMs: number;
  readonly sampleRate: number;
  readonly constants: Constants;
  /** With `maskJournal`: what is hidden before a span leaves its thread. */
  readonly mask: MaskSpec | undefined;
  /** With durability `strict`. */
  readonly crashLog: { readonly directory: string; readonly owner: JournalOwner } | undefined;
}

/** With `enabled: false`: what attaches does nothing either. */
export const noHandle: SpanBufferHandle = Object.freeze({
  kind: handleKind,
  version: handleVersion,
  target: undefined,
});

/**
 * What these options leave out is decided on the thread that ends a span, by a function or in memory that no other thread
 * has: an attached one would deliver it.
 *
 * @throws TypeError that names those that are set, and says what to do.
 */
export function checkAttachable({ sampling, shouldExportSpan }: ResolvedOptions): void {
  const set = Object.entries({ sampling, shouldExportSpan })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  if (set.length === 0) return;
  throw new TypeError(
    `langfuse-span-buffer: handle() does not go with ${set.join(" and ")}, which attached threads could not heed: make a SpanBuffer with these options in each thread, on the same directory`,
  );
}

/** @param leadId of the buffer's own ring, whose memory is `lead`. */
export function makeHandle(
  options: ResolvedOptions,
  leadId: string,
  lead: SharedArrayBuffer,
  channel: string,
): SpanBufferHandle {
  const { environment, release, serviceName, baseUrl, publicKey, maxSpanBytes, sampleRate } = options;
  const target: HandleTarget = {
    channel,
    threadId,
    leadId,
    lead,
    ringBytes: ringCapacityBytes(Math.min(options.ringBytes, attachedRingBytes), maxSpanBytes),
    maxSpanBytes,
    maxMemoryBytes: Math.max(leastMemoryBytes, options.maxMemoryBytes * memoryShare),
    endTimeoutMs: options.shutdownTimeoutMs,
    sampleRate,
    constants: { environment, release, serviceName },
    mask: options.maskJournal ? options.mask : undefined,
    crashLog:
      options.durability === "strict"
        ? { directory: options.crashLogDirectory, owner: { baseUrl, publicKey } }
        : undefined,
  };
  return { kind: handleKind, version: handleVersion, target };
}

/** @throws TypeError that says what it is instead, and what to do. */
export function targetOf(handle: SpanBufferHandle): HandleTarget | undefined {
  const { kind, version, target } = (handle ?? {}) as Partial<SpanBufferHandle>;
  if (kind !== handleKind) {
    throw new TypeError(
      `langfuse-span-buffer: attach() was given ${describe(handle)}: it takes what buffer.handle() returns`,
    );
  }
  if (version !== handleVersion) {
    throw new TypeError(
      `langfuse-span-buffer: attach() was given a handle of version ${version}, and takes version ${handleVersion}: both threads must load the same version of this package`,
    );
  }
  if (target !== undefined && !(target.lead instanceof SharedArrayBuffer)) {
    throw new TypeError(
      "langfuse-span-buffer: attach() was given a handle that has lost its shared memory, as one sent to another process has: a handle is for threads of one process; a child process makes a SpanBuffer of its own, on the same directory",
    );
  }
  return target;
}

function describe(value: unknown): string {
  return value === null || value === undefined ? String(value) : `a ${typeof value} that is no handle`;
}
