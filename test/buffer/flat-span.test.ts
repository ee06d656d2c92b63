import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConstantFieldsTable } from "../../src/buffer/constant-fields.ts";
import { CrashLog } from "../../src/buffer/crash-log.ts";
import { readSegment } from "../../src/buffer/crash-log-file.ts";
import { mostFlatUnits, storedForm } from "../../src/buffer/flat-span.ts";
import { frameKind } from "../../src/buffer/frame.ts";
import { Intake } from "../../src/buffer/intake.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RingConsumer } from "../../src/buffer/ring-consumer.ts";
import { RuleMask } from "../../src/mask/rule-mask.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { flatSpan } = frameKind;

function flatText(name: string, value = "v"): string {
  const fields = ["a".repeat(32), "b".repeat(16), "", "", name, "3", "1790000000", "5", "1790000001", "6", ""];
  return [...fields, "key", value, "count", "\u00017", "}"].join("\0");
}

function storedSpan(name: string, value = "v", rest: object = {}): unknown {
  return {
    traceId: "a".repeat(32),
    spanId: "b".repeat(16),
    name,
    kind: 3,
    startTimeUnixNano: "1790000000000000005",
    endTimeUnixNano: "1790000001000000006",
    attributes: { key: value, count: 7 },
    ...rest,
  };
}

function intakeOf(options: Partial<ConstructorParameters<typeof Intake>[0]> = {}, ringBytes = 65_536): Intake {
  const ring = createRingMemory(ringBytes);
  return new Intake({ ring, maxSpanBytes: 10_000, maxMemoryBytes: 1024 * 1024 * 8, ...options });
}

function stored(text: string): Buffer {
  return storedForm(Buffer.from(text));
}

function parsed(payloads: Iterable<Buffer>): unknown[] {
  return [...payloads].map((payload) => JSON.parse(payload.toString()));
}

test("the ring gives JSON, with what all spans share, between spans that were JSON already", () => {
  const ring = createRingMemory(65_536);
  const intake = intakeOf({ ring });
  const constants = new ConstantFieldsTable({ environment: "prod", release: undefined, serviceName: undefined }).for(
    {},
  );
  const json = { traceId: "t", spanId: "s", name: "json", startTimeUnixNano: "1", endTimeUnixNano: "2" };
  intake.offer(json);
  expect(intake.offerFlat(flatText("first"), undefined)).toBe(true);
  intake.offerFlat(flatText("second", 'ü"'), constants);
  intake.offer(json, constants);
  const expected = [
    json,
    storedSpan("first"),
    storedSpan("second", 'ü"', { environment: "prod" }),
    { ...json, environment: "prod" },
  ];
  // As for a spill file, and as the pump takes them.
  expect(parsed(intake.undelivered())).toEqual(expected);
  expect(parsed(new RingConsumer(ring).take(100, 1_000_000).payloads)).toEqual(expected);
  expect(intake.accepted).toBe(4);
});

test("what the pump takes at once is bounded by its bytes as JSON, and one that is larger comes alone", () => {
  const ring = createRingMemory(1024 * 1024);
  const intake = intakeOf({ ring, maxSpanBytes: 500_000 });
  // Six bytes of JSON for each.
  const control = "\u0002".repeat(1_000);
  for (let index = 0; index < 9; index++) intake.offerFlat(flatText(`span ${index}`, control), undefined);
  const size = stored(flatText("span 0", control)).length;
  expect(size).toBeGreaterThan(6_000);
  const consumer = new RingConsumer(ring);
  const counts: number[] = [];
  const names: unknown[] = [];
  // All of them are in the ring, which has room for two and a half as JSON only.
  for (const maxBytes of [2.5 * size, 10, 2.5 * size, 1_000_000]) {
    const { payloads, damaged } = consumer.take(100, Math.floor(maxBytes));
    expect(damaged).toBe(0);
    counts.push(payloads.count);
    names.push(...parsed(payloads).map((span) => (span as { name: string }).name));
  }
  expect(counts).toEqual([2, 1, 2, 4]);
  expect(names).toEqual(Array.from({ length: 9 }, (_, index) => `span ${index}`));
});

test("beside a full ring it waits, and follows in order", () => {
  const ring = createRingMemory(4_096);
  const intake = intakeOf({ ring, maxSpanBytes: 2_000 });
  for (let index = 0; index < 40; index++) intake.offerFlat(flatText(`span ${index}`), undefined);
  expect(intake.overflowCount).toBeGreaterThan(5);
  const consumer = new RingConsumer(ring);
  const names: unknown[] = [];
  while (names.length < 40) {
    names.push(...parsed(consumer.take(100, 1_000_000).payloads).map((span) => (span as { name: string }).name));
    consumer.release();
    intake.drainBlocking(0);
  }
  expect(names).toEqual(Array.from({ length: 40 }, (_, index) => `span ${index}`));
  intake.close();
});

test("a crash log, which has it as it is in the ring or beside it, is read as JSON", () => {
  const directory = temporaryDirectory();
  const owner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk-lf-a" };
  const crashLog = new CrashLog({
    directory,
    ringId: "0d000000-0000-4000-8000-000000000001",
    owner,
    safeSequence: () => 0,
    maxBytes: 1024 * 1024,
    onNotice: () => undefined,
  });
  const intake = intakeOf({ maxSpanBytes: 2_000, crashLog }, 4_096);
  for (let index = 0; index < 40; index++) intake.offerFlat(flatText(`span ${index}`), undefined);
  expect(intake.overflowCount).toBeGreaterThan(5);
  const files = readdirSync(directory).filter((name) => name.endsWith(".log"));
  const frames = files.flatMap((name) => readSegment(join(directory, name))?.frames ?? []);
  expect(parsed(frames.map(({ payload }) => payload))).toEqual(
    Array.from({ length: 40 }, (_, index) => storedSpan(`span ${index}`)),
  );
  intake.close();
});

test("a large one becomes JSON whole", () => {
  const value = '"\\u0002x'.repeat(50_000);
  expect(JSON.parse(stored(flatText("large", value)).toString())).toEqual(storedSpan("large", value));
});

test("a frame that is damaged is passed over, and counted by the next", () => {
  const ring = createRingMemory(65_536);
  const intake = intakeOf({ ring });
  for (const name of ["first", "second", "third"]) {
    intake.offerFlat(flatText(name), undefined);
    if (name !== "second") continue;
    const { memory, offset } = intake.ring.lastFrame;
    memory[offset + 60] = (memory[offset + 60] as number) ^ 1;
  }
  const { payloads, damaged } = new RingConsumer(ring).take(10, 1_000_000);
  expect(parsed(payloads)).toEqual([storedSpan("first"), storedSpan("third")]);
  expect(damaged).toBe(1);
});

test("none is taken that could become larger than a span may be, nor one that is to be masked first", () => {
  expect(intakeOf({ mask: new RuleMask(["email"]) }).mostFlatUnits).toBe(0);
  for (const maxSpanBytes of [1_024, 10_000, 1_000_000]) {
    const { mostFlatUnits: most } = intakeOf({ maxSpanBytes });
    expect(most).toBe(mostFlatUnits(maxSpanBytes));
    // The worst of all: every unit an escape of six characters.
    const worst = flatText("n", "\u0002".repeat(Math.max(0, most - flatText("n", "").length)));
    if (worst.length <= most) expect(stored(worst).length).toBeLessThanOrEqual(maxSpanBytes);
  }
});

test("one that is cut anywhere ends, whatever comes out of it", () => {
  const whole = Buffer.from(flatText("cut", '"\n"'));
  for (let length = 0; length < whole.length; length++) {
    expect(storedForm(whole.subarray(0, length)).length).toBeLessThan(whole.length * 6 + 256);
  }
});

test("the kind of a frame tells what is in it", () => {
  const ring = createRingMemory(4_096);
  const intake = intakeOf({ ring });
  intake.ring.pushText(flatText("flat"), undefined, flatSpan);
  intake.ring.pushText(flatText("not flat"));
  const [flat, text] = [...new RingConsumer(ring).take(10, 10_000).payloads].map(String);
  expect(JSON.parse(flat as string)).toEqual(storedSpan("flat"));
  expect(text).toBe(flatText("not flat"));
});
