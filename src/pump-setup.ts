import type { ResolvedOptions } from "./options.ts";
import type { PumpSetup } from "./workers/messages.ts";

interface PumpParts {
  options: ResolvedOptions;
  ring: SharedArrayBuffer;
  counters: SharedArrayBuffer;
  ringId: string;
  taskUrl: URL;
}

/** The options as the pump's thread wants them, and the memory that it shares with the caller. */
export function pumpSetup({
  options,
  ring,
  counters,
  ringId,
  taskUrl,
}: PumpParts): Omit<PumpSetup, "attached" | "isRestart"> {
  const { baseUrl, publicKey, secretKey } = options;
  const hasKeys = publicKey !== undefined && secretKey !== undefined;
  return {
    ring,
    counters,
    ringId,
    baseUrl,
    destination: hasKeys ? { baseUrl, publicKey, secretKey } : undefined,
    transport: options.transport,
    sender: options.sender,
    compression: options.compression,
    mask: options.mask,
    media: options.media,
    // Beyond the ring strict is as journal.
    durability: options.durability === "strict" ? "journal" : options.durability,
    directory: options.directory,
    crashLogDirectory: options.crashLogDirectory,
    hasCrashLog: options.durability === "strict",
    batchSize: options.batchSize,
    flushIntervalMs: options.flushInterval * 1000,
    maxQueueSize: options.maxQueueSize,
    maxBatchBytes: options.maxBatchBytes,
    maxDiskBytes: options.maxDiskBytes,
    maxDeadLetterBytes: Math.min(options.maxDeadLetterBytes, options.maxDiskBytes / 4),
    maxMemoryBytes: options.maxMemoryBytes,
    overflowPolicy: options.overflowPolicy,
    exportThreads: options.exportThreads,
    exportConcurrency: options.exportConcurrency,
    exportTimeoutMs: options.exportTimeoutMs,
    exportTaskUrl: taskUrl.href,
  };
}
