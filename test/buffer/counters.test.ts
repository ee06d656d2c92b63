import { expect, test } from "vitest";
import { type Counters, createCounterMemory, SharedCounters, zeroCounters } from "../../src/buffer/counters.ts";

function countersOf(value: number): Counters {
  return { ...zeroCounters(), taken: value, acknowledged: value, pending: value, exportMsP99: value };
}

test("what is published is read, whoever published it", () => {
  const memory = createCounterMemory();
  const reader = new SharedCounters(memory);
  expect(reader.read()).toEqual(zeroCounters());
  for (const value of [1, 2, 3]) {
    // A pump that was started again has an end of its own.
    new SharedCounters(memory).publish(countersOf(value));
    expect(reader.read()).toEqual(countersOf(value));
  }
});

test.each([1, 2])(
  "a writer that dies in the middle of publication %i leaves the figures before it whole",
  (published) => {
    const memory = createCounterMemory();
    const reader = new SharedCounters(memory);
    for (let value = 1; value <= published; value++) new SharedCounters(memory).publish(countersOf(value));
    const dying = Object.defineProperty(countersOf(99), "pending", {
      get() {
        throw new Error("died");
      },
    });
    expect(() => new SharedCounters(memory).publish(dying)).toThrow("died");
    expect(reader.read()).toEqual(countersOf(published));
    new SharedCounters(memory).publish(countersOf(7));
    expect(reader.read()).toEqual(countersOf(7));
  },
);
