import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { Intake } from "../../src/buffer/intake.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RingConsumer } from "../../src/buffer/ring-consumer.ts";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";

const payload = { name: "s" } as SpanPayload;

function block(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}

test("a loop that is blocked is seen to be late, while it is and not after", async () => {
  const memory = createRingMemory(1 << 20);
  const intake = new Intake({ ring: memory, maxSpanBytes: 1000, maxMemoryBytes: 1_000_000 });
  const consumer = new RingConsumer(memory);
  expect(consumer.callerLateMs()).toBe(0);
  intake.offer(payload);
  block(200);
  const lateMs = consumer.callerLateMs();
  expect(lateMs).toBeGreaterThanOrEqual(150);
  await setTimeout(30);
  expect(consumer.callerLateMs()).toBeLessThan(lateMs);
  intake.close();
});

test("without spans the pulse rests, and a loop that is blocked then is nobody's business", async () => {
  const memory = createRingMemory(1 << 20);
  const intake = new Intake({ ring: memory, maxSpanBytes: 1000, maxMemoryBytes: 1_000_000 });
  const consumer = new RingConsumer(memory);
  intake.offer(payload);
  // Ten beats of 20 ms, and as long again for a machine that is busy.
  await setTimeout(600);
  block(100);
  expect(consumer.callerLateMs()).toBe(0);
  intake.offer(payload);
  block(100);
  expect(consumer.callerLateMs()).toBeGreaterThan(50);
  intake.close();
  expect(consumer.callerLateMs()).toBe(0);
});
