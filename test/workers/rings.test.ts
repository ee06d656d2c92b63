import { expect, test } from "vitest";
import { AttachedLink } from "../../src/buffer/attached-link.ts";
import { createCounterMemory, SharedCounters, zeroCounters } from "../../src/buffer/counters.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RingConsumer } from "../../src/buffer/ring-consumer.ts";
import { RingProducer } from "../../src/buffer/ring-producer.ts";
import { Rings } from "../../src/workers/rings.ts";

interface Thread {
  id: string;
  memory: SharedArrayBuffer;
  producer: RingProducer;
  link: AttachedLink;
  push: (...texts: string[]) => void;
}

function makeRings(attachedCount: number, capacityBytes = 64 * 1024) {
  const lead = createRingMemory(capacityBytes);
  const consumer = new RingConsumer(lead);
  consumer.claim();
  const rings = new Rings("lead", consumer);
  const leadProducer = new RingProducer(lead);
  const threads = Array.from({ length: attachedCount }, (_, index): Thread => {
    const memory = createRingMemory(capacityBytes);
    const producer = new RingProducer(memory, lead);
    const link = new AttachedLink(memory, lead);
    const id = `thread-${index}`;
    rings.attach({ id, memory, lead }, 0);
    let accepted = 0;
    const push = (...texts: string[]): void => {
      for (const text of texts) {
        link.accept(++accepted);
        expect(producer.pushText(text)).toBe(true);
      }
    };
    return { id, memory, producer, link, push };
  });
  return { lead, rings, leadProducer, threads };
}

function textsOf(payloads: Iterable<Buffer>): string[] {
  return [...payloads].map(String);
}

test("what all rings hold is taken in one piece, each ring in its order, with the position of each", () => {
  const { rings, leadProducer, threads } = makeRings(2);
  leadProducer.pushText("lead 1");
  threads[0]?.push("a 1", "a 2", "a 3");
  threads[1]?.push("b 1");
  const taken = rings.take(100, 10_000);
  const texts = textsOf(taken.payloads);
  expect(texts.filter((text) => text.startsWith("a"))).toEqual(["a 1", "a 2", "a 3"]);
  expect(texts.toSorted()).toEqual(["a 1", "a 2", "a 3", "b 1", "lead 1"]);
  expect({ lead: taken.fromLead, attached: taken.fromAttached }).toEqual({ lead: 1, attached: 4 });
  expect(Object.fromEntries(taken.positions.map(({ ringId, sequence }) => [ringId, sequence]))).toEqual({
    lead: 1,
    "thread-0": 3,
    "thread-1": 1,
  });
  rings.release();
  expect(rings.isEmpty()).toBe(true);
  expect(rings.occupiedBytes()).toBe(0);
});

test("what could not be kept comes again, from every ring", () => {
  const { rings, leadProducer, threads } = makeRings(1);
  leadProducer.pushText("lead 1");
  threads[0]?.push("a 1", "a 2");
  const before = textsOf(rings.take(100, 10_000).payloads).toSorted();
  rings.rewind();
  expect(rings.isEmpty()).toBe(false);
  const again = rings.take(100, 10_000);
  expect(textsOf(again.payloads).toSorted()).toEqual(before);
  expect(again.damaged).toBe(0);
});

test("a ring that is always full keeps no other waiting", () => {
  const { rings, leadProducer, threads } = makeRings(3);
  for (let index = 0; index < 500; index++) leadProducer.pushText("lead");
  for (const { push, id } of threads) push(id);
  const seen = new Set<string>();
  for (let take = 0; take < 4; take++) {
    for (const text of textsOf(rings.take(50, 10_000).payloads)) seen.add(text);
    rings.release();
  }
  expect([...seen].toSorted()).toEqual(["lead", "thread-0", "thread-1", "thread-2"]);
});

test("a limit of frames or bytes holds for all rings together", () => {
  const { rings, threads } = makeRings(4);
  for (const { push } of threads) push(...Array.from({ length: 20 }, () => "x".repeat(100)));
  expect(rings.take(30, 100_000).payloads.count).toBe(30);
  rings.release();
  // One frame may be more than is left, never two.
  expect(rings.take(100, 950).payloads.byteLength).toBeLessThanOrEqual(1_050);
  rings.release();
});

test("a sleeping pump is woken by an attached thread, and does not fall asleep over its spans", async () => {
  const { rings, threads } = makeRings(1);
  let isAwake = false;
  const asleep = rings.lead
    .sleep(600_000, () => !rings.isEmpty())
    .then(() => {
      isAwake = true;
    });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isAwake).toBe(false);
  threads[0]?.push("a 1");
  await asleep;
  // The test's own time limit is the bound.
  await rings.lead.sleep(600_000, () => !rings.isEmpty());
});

test("a torn frame costs itself alone, and is counted", () => {
  const { rings, threads } = makeRings(1);
  const [thread] = threads as [Thread];
  thread.push("a 1", "a 2", "a 3");
  // The second frame's payload: 256 bytes of control words, a frame of 32 bytes, a header of 16.
  new Uint8Array(thread.memory)[256 + 32 + 16] = 0xff;
  const { payloads, damaged, fromAttached } = rings.take(100, 10_000);
  expect(textsOf(payloads)).toEqual(["a 1", "a 3"]);
  expect({ damaged, fromAttached }).toEqual({ damaged: 1, fromAttached: 3 });
});

test("a ring is let go of when its thread is gone and it is empty, not before", () => {
  const { rings, threads } = makeRings(2);
  const [first, second] = threads as [Thread, Thread];
  first.push("a 1", "a 2");
  second.push("b 1");
  expect(rings.releaseEnded(false)).toEqual([]);
  first.link.end();
  expect(rings.releaseEnded(false)).toEqual([]);
  rings.take(100, 10_000);
  rings.release();
  // Where a crash log is, it must not go before its spans are safe elsewhere.
  expect(rings.releaseEnded(true)).toEqual([]);
  rings.allSafe();
  expect(rings.releaseEnded(true)).toEqual([{ id: "thread-0", frames: 2 }]);
  expect(rings.ids).toEqual(["lead", "thread-1"]);
  second.link.end();
  expect(rings.releaseEnded(false)).toEqual([{ id: "thread-1", frames: 1 }]);
  expect(rings.releaseEnded(false)).toEqual([]);
});

test("a mark waits for what a living thread keeps beside its ring, not for what a dead one did", () => {
  const { rings, threads } = makeRings(1);
  const [{ link, push }] = threads as [Thread];
  push("a 1");
  link.accept(3);
  const mark = rings.mark();
  rings.take(100, 10_000);
  rings.release();
  expect(rings.hasReleased(mark)).toBe(false);
  expect(rings.isDrained()).toBe(false);
  // One of the two was dropped after all.
  link.account(0, { "memory-full": 1, "shut-down": 0, "sampled-out": 0 });
  expect(rings.hasReleased(mark)).toBe(false);
  link.end();
  expect(rings.hasReleased(mark)).toBe(true);
  expect(rings.isDrained()).toBe(true);
});

test("a wish to flush is attended to once by each pump, until it is answered", () => {
  const { rings, lead, threads } = makeRings(1);
  const [{ link, id, memory }] = threads as [Thread];
  const request = link.wantFlush();
  expect(rings.isFlushWanted).toBe(true);
  expect(rings.newFlushes()).toHaveLength(1);
  expect(rings.isFlushWanted).toBe(false);
  expect(rings.newFlushes()).toEqual([]);
  expect(link.isFlushed(request)).toBe(false);
  const next = new Rings("lead", new RingConsumer(lead));
  next.attach({ id, memory, lead }, 0);
  for (const answer of next.newFlushes()) answer();
  expect(link.isFlushed(request)).toBe(true);
  expect(next.isFlushWanted).toBe(false);
});

test("how far a ring is counted changes in one moment with the pump's figures", () => {
  const { rings, threads } = makeRings(1);
  const [{ link, push }] = threads as [Thread];
  const counters = new SharedCounters(createCounterMemory());
  const figures = zeroCounters();
  for (let round = 1; round <= 3; round++) {
    push("a");
    figures.takenAttached += rings.take(100, 10_000).fromAttached;
    rings.release();
    // A pump that dies here has published neither.
    expect(link.counted(counters.place)).toBe(counters.read().takenAttached);
    counters.publish(figures, (place) => {
      rings.count(place);
      expect(link.counted(counters.place)).toBe(counters.read().takenAttached);
    });
    expect(link.counted(counters.place)).toBe(round);
    expect(counters.read().takenAttached).toBe(round);
  }
});
