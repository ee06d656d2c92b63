import { expect, onTestFinished, test } from "vitest";
import { AttachedLink } from "../../src/buffer/attached-link.ts";
import { createCounterMemory, SharedCounters } from "../../src/buffer/counters.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RingConsumer } from "../../src/buffer/ring-consumer.ts";
import { RingProducer } from "../../src/buffer/ring-producer.ts";
import { Announcer } from "../../src/workers/announcer.ts";
import type { ExportPool } from "../../src/workers/export-pool.ts";
import type { PumpMessage } from "../../src/workers/messages.ts";
import { Pump } from "../../src/workers/pump.ts";
import { Rings } from "../../src/workers/rings.ts";
import { until } from "../support/buffers.ts";
import { good, makeBench } from "./sender-bench.ts";

/** A pump with one attached ring. `atBedtime` is called when it has looked at everything and is about to sleep. */
function startPump(atBedtime: (thread: { producer: RingProducer; link: AttachedLink }) => void) {
  const { store, sender } = makeBench(good);
  const [lead, memory] = [createRingMemory(64 * 1024), createRingMemory(64 * 1024)];
  const consumer = new RingConsumer(lead);
  consumer.claim();
  const rings = new Rings("lead", consumer);
  rings.attach({ id: "thread", memory, lead }, 0);
  const thread = { producer: new RingProducer(memory, lead), link: new AttachedLink(memory, lead) };
  const sleep = consumer.sleep.bind(consumer);
  let nights = 0;
  consumer.sleep = (timeoutMs, mayNotSleep) => {
    if (++nights === 1) atBedtime(thread);
    // So long that nothing but the look or a wake-up can end it.
    return sleep(Math.max(timeoutMs, 600_000), mayNotSleep);
  };
  const posted: PumpMessage[] = [];
  const pool = { destroy: async () => undefined } as unknown as ExportPool;
  const counters = new SharedCounters(createCounterMemory());
  const announcer = new Announcer(() => undefined);
  const pump = new Pump({ rings, store, sender, pool, counters, announcer, post: (message) => posted.push(message) });
  const ended = pump.run();
  onTestFinished(async () => {
    pump.receive({ type: "close", id: 1, graceMs: 100 });
    await ended;
  });
  return { posted, counters, thread };
}

test("a thread that is gone just before the pump falls asleep is let go of all the same", async () => {
  // Nobody sleeps yet, so nobody is woken.
  const { posted } = startPump(({ link }) => link.end());
  await until(() => posted.some(({ type }) => type === "detached"));
  expect(posted).toContainEqual({ type: "detached", ringId: "thread", frames: 0 });
});

test("so is a wish to flush attended to, and a span taken", async () => {
  let request = 0;
  const flushing = startPump(({ link }) => {
    request = link.wantFlush();
  });
  await until(() => request > 0 && flushing.thread.link.isFlushed(request));
  const writing = startPump(({ producer, link }) => {
    link.accept(1);
    producer.pushText("span");
  });
  await until(() => writing.counters.read().takenAttached === 1);
});
