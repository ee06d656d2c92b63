import { randomUUID } from "node:crypto";
import type { ResolvedOptions } from "./options.ts";
import { exportTaskUrl } from "./thread-files.ts";
import type { PumpSetup } from "./workers/messages.ts";

/** The options as the pump's thread wants them, and the memory that it shares with the caller. */
export function pumpSetup(options: ResolvedOptions, ring: SharedArrayBuffer, counters: SharedArrayBuffer): PumpSetup {
  const { baseUrl, publicKey, secretKey } = options;
  const hasKeys = publicKey !== undefined && secretKey !== undefined;
  return {
    ring,
    counters,
    ringId: randomUUID(),
    isRestart: false,
    baseUrl,
    destination: hasKeys ? { baseUrl, publicKey, secretKey } : undefined,
    transport: options.transport,
    sender: options.sender,
    compression: options.compression,
    durability: options.durability,
    directory: options.directory,
    batchSize: options.batchSize,
    flushIntervalMs: options.flushInterval * 1000,
    maxQueueSize: options.maxQueueSize,
    maxBatchBytes: options.maxBatchBytes,
    maxDiskBytes: options.maxDiskBytes,
    maxMemoryBytes: options.maxMemoryBytes,
    overflowPolicy: options.overflowPolicy,
    exportThreads: options.exportThreads,
    exportConcurrency: options.exportConcurrency,
    exportTimeoutMs: options.exportTimeoutMs,
    exportTaskUrl: exportTaskUrl.href,
  };
}
