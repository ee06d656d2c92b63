// Measures what a span costs the caller's thread beside the floor, without a pump, and prints it as JSON. Of many short
// rounds that take turns the quickest counts: a neighbour on the machine can only make a round slower. Needs
// --expose-gc and a large young generation, so that no collection falls into the count of bytes.
import process from "node:process";
import { makeContents } from "../../bench/content.ts";
import { recordOf } from "../../bench/span.ts";
import { Intake } from "../../src/buffer/intake.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RingConsumer } from "../../src/buffer/ring-consumer.ts";
import { Tracer } from "../../src/tracing/tracer.ts";

const spans = 2_000;
const warmUpRounds = 30;
const rounds = 60;
const ringBytes = 16 * 1024 * 1024;

const contents = makeContents("llm", spans, 1);
const records = contents.map(recordOf);

const floorMemory = Buffer.from(new SharedArrayBuffer(ringBytes) as unknown as ArrayBuffer);
const ring = createRingMemory(ringBytes);
const consumer = new RingConsumer(ring);
const intake = new Intake({ ring, maxSpanBytes: 1_000_000, maxMemoryBytes: 100_000_000 });
const tracer = new Tracer({
  sink: intake,
  environment: undefined,
  release: undefined,
  serviceName: undefined,
  sampleRate: 1,
});

const ways: Record<string, () => void> = {
  floor() {
    let position = 0;
    for (const record of records) {
      position += floorMemory.write(JSON.stringify(record), position, ringBytes - position, "utf8");
    }
  },
  enqueue() {
    for (const record of records) tracer.record(record);
  },
  startSpan() {
    for (const { name, output, generation } of contents) {
      const { model, modelParameters, input, usageDetails, metadata } = generation as NonNullable<typeof generation>;
      tracer
        .startSpan(name, { type: "generation", model, modelParameters, input })
        .update({ output, usageDetails, metadata })
        .end();
    }
  },
};

function emptyRing(): void {
  while (consumer.take(spans, ringBytes).damaged > 0 || !consumer.isEmpty());
  consumer.release();
}

const micros: Record<string, number> = {};
const heapBytes: Record<string, number> = {};
for (let round = -warmUpRounds; round < rounds; round++) {
  for (const [name, way] of Object.entries(ways)) {
    const startMs = performance.now();
    way();
    const took = ((performance.now() - startMs) * 1000) / spans;
    if (round >= 0) micros[name] = Math.min(micros[name] ?? Number.POSITIVE_INFINITY, took);
    emptyRing();
  }
}
for (const [name, way] of Object.entries(ways)) {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  way();
  heapBytes[name] = (process.memoryUsage().heapUsed - before) / spans;
  emptyRing();
}
intake.close();
process.stdout.write(JSON.stringify({ micros, heapBytes, accepted: intake.accepted, dropped: intake.dropped }));
