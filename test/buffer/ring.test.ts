import fc from "fast-check";
import { expect, test } from "vitest";
import { createRingMemory, ringCapacityBytes } from "../../src/buffer/ring.ts";
import { RingConsumer, type Taken } from "../../src/buffer/ring-consumer.ts";
import { RingProducer } from "../../src/buffer/ring-producer.ts";

function makeRing(bytes = 4096): { memory: SharedArrayBuffer; producer: RingProducer; consumer: RingConsumer } {
  const memory = createRingMemory(bytes);
  return { memory, producer: new RingProducer(memory), consumer: new RingConsumer(memory) };
}

function takeTexts(consumer: RingConsumer, maxFrames = 1000, maxBytes = 1_000_000): string[] {
  return textsOf(consumer.take(maxFrames, maxBytes));
}

function textsOf({ payloads }: Taken): string[] {
  return [...payloads].map(String);
}

test("what goes in comes out, in order, over many turns of the ring", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 300 }), { maxLength: 400 }), (texts) => {
      const { producer, consumer } = makeRing();
      const out: string[] = [];
      for (const text of texts) {
        if (!producer.pushText(text)) {
          out.push(...takeTexts(consumer));
          consumer.release();
          expect(producer.pushText(text)).toBe(true);
        }
      }
      out.push(...takeTexts(consumer));
      expect(out).toEqual(texts);
    }),
    { numRuns: 60 },
  );
});

test("a full ring refuses, and takes again exactly what was released", () => {
  const { producer, consumer } = makeRing(4096);
  let pushed = 0;
  while (producer.pushText("x".repeat(112))) pushed++;
  expect(pushed).toBe(4096 / 128);
  takeTexts(consumer, 3);
  expect(producer.pushText("y")).toBe(false);
  consumer.release();
  for (let index = 0; index < 3; index++) expect(producer.pushText("y".repeat(112))).toBe(true);
  expect(producer.pushText("y")).toBe(false);
});

test("frames that were taken but not released are found again by the next consumer, and only those", () => {
  const { memory, producer, consumer } = makeRing();
  for (const text of ["a", "b", "c"]) producer.pushText(text);
  expect(takeTexts(consumer, 1)).toEqual(["a"]);
  consumer.release();
  expect(takeTexts(consumer, 1)).toEqual(["b"]);
  expect(takeTexts(new RingConsumer(memory, 1))).toEqual(["b", "c"]);
});

test("a frame that was committed but not released is not taken twice", () => {
  const { memory, producer, consumer } = makeRing();
  for (const text of ["a", "b", "c"]) producer.pushText(text);
  expect(takeTexts(consumer, 2)).toEqual(["a", "b"]);
  // The first consumer committed both and died before `release`.
  expect(takeTexts(new RingConsumer(memory, 2))).toEqual(["c"]);
});

test("rewind brings the same frames again", () => {
  const { producer, consumer } = makeRing();
  for (const text of ["a", "b"]) producer.pushText(text);
  const before = consumer.lastSequence;
  expect(takeTexts(consumer)).toEqual(["a", "b"]);
  consumer.rewind(before);
  expect(takeTexts(consumer)).toEqual(["a", "b"]);
});

test.each([
  ["a payload byte", 256 + 16 + 5],
  ["the checksum", 256 + 4],
])("a frame with damage in %s is left out and counted, its neighbours are not", (_where, offset) => {
  const { memory, producer, consumer } = makeRing();
  for (const text of ["damaged payload", "second", "third"]) producer.pushText(text);
  new Uint8Array(memory)[offset]! ^= 0x10;
  const taken = consumer.take(10, 10_000);
  expect(textsOf(taken)).toEqual(["second", "third"]);
  expect(taken.damaged).toBe(1);
});

test("with a damaged length nothing after it is believed, and the gap is counted with the next frame", () => {
  const { memory, producer, consumer } = makeRing();
  for (const text of ["a", "b", "c"]) producer.pushText(text);
  new Int32Array(memory)[64] = 0x7fffffff;
  expect(takeTexts(consumer)).toEqual([]);
  consumer.release();
  producer.pushText("d");
  const taken = consumer.take(10, 10_000);
  expect(textsOf(taken)).toEqual(["d"]);
  expect(taken.damaged).toBe(3);
});

test("the cursors may pass 2^32", () => {
  const { memory } = makeRing();
  const control = new Int32Array(memory, 0, 2);
  // Both cursors just before the wrap, at a multiple of 16, as after 4 GiB of spans.
  control.fill(-64);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory);
  const texts = Array.from({ length: 20 }, (_, index) => `span ${index}`);
  for (const text of texts) expect(producer.pushText(text)).toBe(true);
  expect(takeTexts(consumer)).toEqual(texts);
  consumer.release();
  expect(producer.occupiedBytes()).toBe(0);
});

test("a sleeping consumer is woken by a write, and only a sleeping one", async () => {
  const { producer, consumer } = makeRing();
  let isAwake = false;
  const sleeping = consumer
    .sleep(60_000, () => false)
    .then(() => {
      isAwake = true;
    });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isAwake).toBe(false);
  producer.pushText("wake");
  await sleeping;
  expect(takeTexts(consumer)).toEqual(["wake"]);
});

test("a consumer does not sleep when something was written before it looked", async () => {
  const { producer, consumer } = makeRing();
  producer.pushText("already here");
  await consumer.sleep(60_000, () => false);
  expect(takeTexts(consumer)).toEqual(["already here"]);
});

test("the capacity is a power of two that holds two of the largest spans", () => {
  expect(ringCapacityBytes(16 * 1024 * 1024, 1_000_000)).toBe(16 * 1024 * 1024);
  expect(ringCapacityBytes(100_000, 1000)).toBe(131_072);
  expect(ringCapacityBytes(4096, 1_000_000)).toBe(2 ** 21);
});

test("the caller takes the ring over between two commits, never during one", () => {
  const { producer, consumer } = makeRing();
  producer.pushText("a");
  expect(consumer.claim()).toBe(true);
  expect(consumer.beginCommit()).toBe(true);
  expect(producer.claimForCaller(20)).toBe(false);
  consumer.endCommit();
  expect(producer.claimForCaller(0)).toBe(true);
  expect(consumer.beginCommit()).toBe(false);
  expect(producer.unread().map(String)).toEqual(["a"]);
});

test("a pump that comes too late gets nothing", () => {
  const { producer, consumer } = makeRing();
  expect(producer.claimForCaller(0)).toBe(true);
  expect(consumer.claim()).toBe(false);
});
