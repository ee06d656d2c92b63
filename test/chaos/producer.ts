// A bot that ends spans at a steady rate and says so: after each `end()` 16 bytes on descriptor 3, the span's id and the
// time (milliseconds since 1970, a double). What a pipe has got outlives the process.
import { writeSync } from "node:fs";
import process from "node:process";
import { SpanBuffer, type SpanBufferOptions } from "../../src/index.ts";
import { notes } from "./notes.ts";

export interface ProducerOptions {
  buffer: SpanBufferOptions;
  spansPerSecond: number;
}

const { buffer: options, spansPerSecond } = JSON.parse(process.argv[2] ?? "{}") as ProducerOptions;
const buffer = new SpanBuffer({ ...options, logger: { warn: () => undefined } });
const messages = JSON.stringify([{ role: "user", content: "What is the weather like tomorrow? ".repeat(25) }]);
const record = Buffer.alloc(16);
const startedAtMs = performance.now();
let ended = 0;

function report(id: string, value: number): void {
  record.write(id, 0, "hex");
  record.writeDoubleLE(value, 8);
  writeSync(3, record);
}

function endWhatIsDue(): void {
  const due = Math.floor(((performance.now() - startedAtMs) * spansPerSecond) / 1_000);
  for (; ended < due; ended++) {
    const span = buffer.startSpan("llm", { type: "generation", model: "gpt-4.1", input: messages });
    span.update({ output: "Sunny, 24 degrees.", usageDetails: { input: 812, output: 9 }, metadata: { turn: ended } });
    span.end();
    report(span.spanId, performance.timeOrigin + performance.now());
  }
}

/** P2, at every sample. */
function checkConservation(): void {
  const { accepted, acknowledged, pending, deadLettered, dropped } = buffer.stats();
  const droppedSum = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  const gap = accepted - acknowledged - pending - deadLettered - droppedSum;
  if (gap !== 0) report(notes.conservationGap, gap);
}

function takeCensus(): void {
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  report(notes.listeners, listeners);
  report(notes.activeResources, process.getActiveResourcesInfo().length);
}

setInterval(endWhatIsDue, 1);
setInterval(checkConservation, 50);
setInterval(takeCensus, 1_000);
process.on("unhandledRejection", () => report(notes.unhandledRejection, 1));
