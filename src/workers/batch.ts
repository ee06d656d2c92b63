import { PackedPayloads } from "../buffer/packed-payloads.ts";
import { bytesOf, countOf, SpanRun } from "../buffer/span-run.ts";

/** Spans that go out in one request. */
export interface Batch {
  runs: readonly SpanRun[];
  /** Spans in it. */
  count: number;
  bytes: number;
  /** How often it has been sent without coming through. */
  failures: number;
  /** Not to be sent before this moment (`performance.now()`); 0: at once. */
  notBeforeMs: number;
}

export function batchOf(runs: readonly SpanRun[], failures = 0): Batch {
  return { runs, count: countOf(runs), bytes: bytesOf(runs), failures, notBeforeMs: 0 };
}

/** Two halves by number: finds k bad spans among n in about 2·k·log2(n) requests. Needs at least two spans. */
export function halve(batch: Batch): [Batch, Batch] {
  return splitAt(batch, batch.count >> 1);
}

/** Two parts of about the same size in bytes, neither empty. Needs at least two spans. */
export function halveByBytes(batch: Batch): [Batch, Batch] {
  let count = 0;
  let left = batch.bytes / 2;
  for (const run of batch.runs) {
    const fitting = run.fitting(run.count, left);
    count += fitting;
    left -= run.byteLength;
    if (fitting < run.count) break;
  }
  // The span in the middle goes with the first part.
  return splitAt(batch, Math.min(count + 1, batch.count - 1));
}

/**
 * The same spans in memory of their own, what they were part of released: a few spans that rest must not hold the
 * megabytes of all those beside them that are done.
 */
export function moveOut(runs: readonly SpanRun[]): SpanRun[] {
  return runs.map((run) => {
    const payloads = Array.from({ length: run.count }, (_, index) => run.payload(index));
    const moved = new SpanRun(run.firstId, run.acceptedAtMs, PackedPayloads.of(payloads), run.isJournalled);
    run.release();
    return moved;
  });
}

/** Each span as a run of its own. */
export function spansOf(batch: Batch): SpanRun[] {
  return batch.runs.flatMap((run) => Array.from({ length: run.count }, (_, index) => run.slice(index, index + 1)));
}

/** The batch's payloads end to end in memory of their own, ready to be transferred, and their lengths. */
export function packBatch(batch: Batch): { payloads: Uint8Array<ArrayBuffer>; lengths: number[] } {
  const payloads = Buffer.allocUnsafeSlow(batch.bytes);
  const lengths: number[] = [];
  let offset = 0;
  for (const run of batch.runs) {
    payloads.set(run.bytes, offset);
    offset += run.byteLength;
    for (let index = 0; index < run.count; index++) lengths.push(run.payloadBytes(index));
  }
  return { payloads, lengths };
}

function splitAt(batch: Batch, count: number): [Batch, Batch] {
  const first: SpanRun[] = [];
  const second: SpanRun[] = [];
  let left = count;
  for (const run of batch.runs) {
    const split = Math.min(left, run.count);
    if (split > 0) first.push(run.slice(0, split));
    if (split < run.count) second.push(run.slice(split));
    left -= split;
  }
  return [batchOf(first), batchOf(second)];
}
