import { expect, test } from "vitest";
import { ConstantFieldsTable } from "../../src/buffer/constant-fields.ts";
import { Intake } from "../../src/buffer/intake.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RingConsumer } from "../../src/buffer/ring-consumer.ts";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";

const payload: SpanPayload = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  name: "Grüße 😀",
  startTimeUnixNano: "1",
  endTimeUnixNano: "2",
};

test("constants arrive behind a span's own fields: through the ring, through the overflow, and by the long way", () => {
  const memory = createRingMemory(4096);
  const intake = new Intake({ ring: memory, maxSpanBytes: 1000, maxMemoryBytes: 10_000_000 });
  const consumer = new RingConsumer(memory);
  const constants = new ConstantFieldsTable({ environment: "test", release: undefined, serviceName: "Böt" });
  const arrived: SpanPayload[] = [];
  const take = (): void => {
    for (const bytes of consumer.take(1000, 1_000_000).payloads)
      arrived.push(JSON.parse(bytes.toString()) as SpanPayload);
    consumer.release();
  };
  const odd = { ...payload, input: new Map([["a", 1]]) };
  for (let count = 0; count < 40; count++) {
    expect(intake.offer(payload, constants.for(payload))).toBe(true);
    expect(intake.offer(odd, constants.for(odd))).toBe(true);
  }
  expect(intake.overflowCount).toBeGreaterThan(20);
  while (arrived.length < 80) {
    take();
    intake.drainBlocking(0);
  }
  expect(arrived[0]).toEqual({ ...payload, environment: "test", serviceName: "Böt" });
  expect(arrived[1]).toEqual({
    ...payload,
    input: { "[Map of 1]": [["a", 1]] },
    environment: "test",
    serviceName: "Böt",
  });
  for (const [index, span] of arrived.entries()) expect(span).toEqual(arrived[index % 2]);
});

test("with the constants a span is no larger than allowed", () => {
  const constants = new ConstantFieldsTable({ environment: "test", release: "r".repeat(100), serviceName: undefined });
  for (let length = 250; length < 700; length += 25) {
    const memory = createRingMemory(4096);
    const intake = new Intake({ ring: memory, maxSpanBytes: 600, maxMemoryBytes: 10_000_000 });
    const large = { ...payload, input: "x".repeat(length) };
    intake.offer(large, constants.for(large));
    const [bytes] = new RingConsumer(memory).take(1, 10_000).payloads;
    expect(bytes?.length).toBeLessThanOrEqual(600);
    const arrived = JSON.parse(bytes?.toString() ?? "") as SpanPayload;
    expect(arrived).toMatchObject({ spanId: payload.spanId, release: "r".repeat(100) });
  }
});

test("no constants, no work", () => {
  const none = new ConstantFieldsTable({ environment: undefined, release: undefined, serviceName: undefined });
  expect(none.for(payload)).toBeUndefined();
  const own = new ConstantFieldsTable({ environment: "a", release: undefined, serviceName: undefined });
  expect(own.for({ ...payload, attributes: { "deployment.environment.name": "b" } })).toBeUndefined();
});

test.each([
  ["its attributes", { attributes: { "langfuse.environment": "own" } }],
  ["its attributes in OTLP's form", { attributes: [{ key: "deployment.environment", value: { stringValue: "own" } }] }],
  ["its resource", { resource: { attributes: { "deployment.environment.name": "own" } } }],
  [
    "its resource in OTLP's form",
    { resource: { attributes: [{ key: "deployment.environment", value: { stringValue: "own" } }] } },
  ],
])("an environment that a span names by %s is not covered by the buffer's", (_, own) => {
  const constants = new ConstantFieldsTable({ environment: "buffer", release: "1", serviceName: undefined });
  expect(constants.for(payload)?.fields).toEqual({ environment: "buffer", release: "1" });
  expect(constants.for({ ...payload, ...own })?.fields).toEqual({ release: "1" });
});
