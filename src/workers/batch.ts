import type { StoredSpan } from "../buffer/journal.ts";

/** A span in the pump's memory. */
export interface PendingSpan extends StoredSpan {
  /** Is it in the journal too? Always with durability `journal`; with `overflow` only once it had to be. */
  journalled: boolean;
}

/** Spans that go out in one request. */
export interface Batch {
  spans: readonly PendingSpan[];
  /** How often it has been sent without coming through. */
  failures: number;
  /** Not to be sent before this moment (`performance.now()`); 0: at once. */
  notBeforeMs: number;
}

export function batchOf(spans: readonly PendingSpan[], failures = 0): Batch {
  return { spans, failures, notBeforeMs: 0 };
}

/** Two halves by number: finds k bad spans among n in about 2·k·log2(n) requests. Needs at least two spans. */
export function halve(batch: Batch): [Batch, Batch] {
  return splitAt(batch, batch.spans.length >> 1);
}

/** Two parts of about the same size in bytes, neither empty. Needs at least two spans. */
export function halveByBytes(batch: Batch): [Batch, Batch] {
  const half = bytesOf(batch.spans) / 2;
  let bytes = 0;
  let index = 0;
  while (index < batch.spans.length - 1 && bytes < half) bytes += (batch.spans[index++] as PendingSpan).payload.length;
  return splitAt(batch, index);
}

export function bytesOf(spans: readonly PendingSpan[]): number {
  let bytes = 0;
  for (const span of spans) bytes += span.payload.length;
  return bytes;
}

function splitAt(batch: Batch, index: number): [Batch, Batch] {
  return [batchOf(batch.spans.slice(0, index)), batchOf(batch.spans.slice(index))];
}
