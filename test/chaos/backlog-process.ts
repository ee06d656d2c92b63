// Starts on a journal with a backlog and inserts as fast as the pump can; says how fast that was, and lives on.
import process from "node:process";
import { setImmediate as nextTurn } from "node:timers/promises";
import { makeContents } from "../../bench/content.ts";
import { recordOf } from "../../bench/span.ts";
import { SpanBuffer, type SpanBufferOptions } from "../../src/index.ts";
import { comesTrue, pause } from "./scenario.ts";

export interface BacklogProcessOptions {
  buffer: SpanBufferOptions;
  /** Spans that wait in the journal. */
  size: number;
  /** How many more to insert. */
  spans: number;
}

export interface Inserted {
  insertedPerSecond: number;
}

const warmUpSpans = 5_000;
const burstSpans = 200;
/** Fewer than the ring holds, more than a commit takes. */
const mostInRing = 5_000;

const { buffer: options, size, spans } = JSON.parse(process.argv[2] ?? "{}") as BacklogProcessOptions;
const records = makeContents("stt", spans, 1).map((content) => recordOf(content));
const buffer = new SpanBuffer({ ...options, logger: { warn: () => undefined } });
const journalled = (): number => buffer.stats().journalSpans;

async function insert(count: number): Promise<void> {
  const before = journalled();
  for (let ended = 0; ended < count; ) {
    if (ended - (journalled() - before) < mostInRing)
      for (let index = 0; index < burstSpans; index++) buffer.enqueue(records[ended++ % records.length] as never);
    await nextTurn();
  }
  while (journalled() < before + count) await nextTurn();
}

await comesTrue(() => journalled() >= size, 30_000);
await insert(warmUpSpans);
await pause(1_000);
const startedAtMs = performance.now();
await insert(spans);
const insertedPerSecond = Math.round((spans / (performance.now() - startedAtMs)) * 1_000);
process.send?.({ insertedPerSecond } satisfies Inserted);
// The buffer keeps no process alive; this one ends when the channel to its parent does.
process.on("message", () => undefined);
