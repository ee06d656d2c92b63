import { expect, test } from "vitest";
import { Circuit } from "../../src/workers/circuit.ts";

function makeCircuit(random = 1): { circuit: Circuit; clock: { ms: number } } {
  const clock = { ms: 1_000 };
  return { circuit: new Circuit({ nowMs: () => clock.ms, random: () => random }), clock };
}

test("while sending, all slots may be used", () => {
  const { circuit } = makeCircuit();
  expect(circuit.allowance(0, 4)).toBe(4);
  expect(circuit.allowance(3, 4)).toBe(1);
});

test("failures double the pause from 1 s to 60 s, then one probe at a time", () => {
  const { circuit, clock } = makeCircuit();
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 9; attempt++) {
    circuit.fail(clock.ms);
    pauses.push(circuit.untilMs - clock.ms);
    clock.ms = circuit.untilMs - 1;
    expect(circuit.allowance(0, 4)).toBe(0);
    clock.ms += 1;
    expect(circuit.allowance(0, 4)).toBe(1);
    expect(circuit.allowance(1, 4)).toBe(0);
  }
  expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test("the jitter is full: the pause may be anything down to almost nothing", () => {
  const { circuit, clock } = makeCircuit(0);
  circuit.fail(clock.ms);
  expect(circuit.untilMs - clock.ms).toBe(50);
});

test("requests of one wave that fail together count once", () => {
  const { circuit, clock } = makeCircuit();
  const sentAtMs = clock.ms;
  clock.ms += 10;
  circuit.fail(sentAtMs);
  clock.ms += 10;
  circuit.fail(sentAtMs);
  circuit.fail(sentAtMs);
  expect(circuit.untilMs - 1_010).toBe(1000);
});

test("a success that was sent before the trouble does not end the pause; a probe's does", () => {
  const { circuit, clock } = makeCircuit();
  const early = clock.ms;
  clock.ms += 5;
  circuit.wait(30_000);
  circuit.succeed(early);
  expect(circuit.state).toBe("backing-off");
  clock.ms = circuit.untilMs;
  circuit.succeed(clock.ms);
  expect(circuit.state).toBe("sending");
});

test("hurry shortens a backoff, but not a pause that the server asked for, nor the want of keys", () => {
  const { circuit, clock } = makeCircuit();
  circuit.fail(clock.ms);
  circuit.hurry();
  expect(circuit.allowance(0, 4)).toBe(1);
  circuit.wait(10_000);
  circuit.hurry();
  expect(circuit.allowance(0, 4)).toBe(0);
  const keyless = makeCircuit().circuit;
  keyless.holdForever();
  keyless.hurry();
  expect(keyless.allowance(0, 4)).toBe(0);
});

test("refused keys are probed every minute", () => {
  const { circuit, clock } = makeCircuit();
  circuit.hold();
  expect(circuit.state).toBe("held");
  clock.ms += 59_999;
  expect(circuit.allowance(0, 4)).toBe(0);
  clock.ms += 1;
  expect(circuit.allowance(0, 4)).toBe(1);
});
