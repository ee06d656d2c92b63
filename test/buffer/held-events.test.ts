import { closeSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { HeldEvents, HeldEventsFullError, hashOf } from "../../src/buffer/held-events.ts";
import type { HeldEvent, HeldEventsLimits, HeldStage } from "../../src/buffer/held-events-schema.ts";
import {
  adoptHeldEvents,
  type HeldFilesSetup,
  hasHeldFiles,
  type OpenHeldEvents,
  openHeldEvents,
} from "../../src/buffer/held-files.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const limits: HeldEventsLimits = {
  patience: { observation: [1_000, 500, 10], trace: [300, 300, 100] },
  keepTraceMs: 5_000,
  maxBytes: 1_000_000,
};
const owner = { baseUrl: "http://127.0.0.1:9", publicKey: "pk" };

function observation(key: string, stage: HeldStage = 0, extra = ""): HeldEvent {
  return { kind: "observation", key, traceKey: "trace", stage, payload: JSON.stringify({ key, stage, extra }) };
}

function trace(extra = ""): HeldEvent {
  return { kind: "trace", key: "trace", traceKey: "trace", stage: 0, payload: JSON.stringify({ key: "trace", extra }) };
}

/** As the payloads above. */
function describe(payload: string): HeldEvent | undefined {
  const { key, stage } = JSON.parse(payload) as { key: string; stage?: HeldStage };
  const kind = key === "trace" ? "trace" : "observation";
  return { kind, key, traceKey: "trace", stage: stage ?? 0, payload };
}

function memory(given: Partial<HeldEventsLimits> = {}): HeldEvents {
  const events = new HeldEvents(":memory:", { ...limits, ...given }, 0);
  onTestFinished(() => events.close());
  return events;
}

function setupIn(directory: string, notices: string[] = []): HeldFilesSetup {
  return { directory, owner, limits, describe, onNotice: (message) => void notices.push(message) };
}

/** Closed with the test; `close` before that is harmless. */
function opened(setup: HeldFilesSetup): OpenHeldEvents {
  const open = openHeldEvents(setup);
  let isClosed = false;
  const close = (): void => {
    if (!isClosed) open.close();
    isClosed = true;
  };
  onTestFinished(close);
  return { events: open.events, close };
}

const keysOf = (events: HeldEvents): string[] =>
  events.first(100).map(({ payload }) => (JSON.parse(payload) as { key: string }).key);

test("what is more complete is due earlier, and what comes later puts it off", () => {
  const held = memory();
  held.add([observation("open"), observation("answered", 1), observation("whole", 2)], 0);
  const dueAt = (nowMs: number): string[] => held.due(nowMs, 10).map(({ key }) => key);
  expect(dueAt(9)).toEqual([]);
  expect(dueAt(10)).toEqual(["whole"]);
  expect(dueAt(500)).toEqual(["whole", "answered"]);
  held.add([observation("whole", 0, "update")], 600);
  // It stays whole.
  expect(dueAt(609)).toEqual(["answered"]);
  expect(dueAt(1_000)).toEqual(["answered", "whole", "open"]);
  expect(held.nextDueMs()).toBe(500);
  expect(held.due(1_000, 10)[1]).toMatchObject({ key: "whole", stage: 2, revision: 2, traceKey: "trace" });
});

test("an update with the end makes nothing complete before its create has come", () => {
  const held = memory();
  const ended = { ...observation("a", 2), isUpdate: true };
  held.add([ended, { ...observation("b", 2, "lone"), isUpdate: true }], 0);
  expect(held.due(499, 10)).toEqual([]);
  expect(held.due(500, 10)).toMatchObject([{ stage: 1 }, { stage: 1 }]);
  held.add([observation("a", 0, "create")], 100);
  expect(held.due(110, 10)).toMatchObject([{ key: "a", stage: 2, revision: 2 }]);
  // And the usual order.
  held.add([observation("c")], 200);
  held.add([{ ...observation("c", 2), isUpdate: true }], 200);
  expect(held.due(210, 10).map(({ key }) => key)).toEqual(["a", "c"]);
});

test("the same event is held once, also when what it was about has gone", () => {
  const held = memory();
  expect(held.add([observation("a", 2), observation("a", 2)], 0)).toBe(1);
  const [entity] = held.due(10, 10);
  if (entity === undefined) throw new Error("nothing is due");
  held.settle([{ entity, hash: hashOf("x"), forgetAtMs: 100, trace: undefined, endAtMs: 0 }]);
  expect(held.add([observation("a", 2)], 20)).toBe(1);
  expect(held.nextDueMs()).toBeUndefined();
  expect(held.first(10)).toEqual([]);
  held.forget(100);
  expect(held.add([observation("a", 2)], 120)).toBe(0);
});

test("what comes while something is on its way is not taken for gone", () => {
  const held = memory();
  held.add([observation("a", 2)], 0);
  const [entity] = held.due(10, 10);
  if (entity === undefined) throw new Error("nothing is due");
  held.add([observation("a", 2, "late")], 10);
  held.settle([{ entity, hash: null, forgetAtMs: 100, trace: undefined, endAtMs: 0 }]);
  expect(held.due(20, 10)).toHaveLength(1);
  expect(held.eventsOf(entity)).toHaveLength(2);
});

test("of a trace it is known what went with a span, when its observations ended, and whether one is open", () => {
  const held = memory();
  held.add([trace(), observation("a", 2)], 0);
  const traceEntity = held.trace("trace");
  const entity = held.due(10, 10).find(({ kind }) => kind === "observation");
  if (entity === undefined || traceEntity === undefined) throw new Error("not held");
  expect(held.hasOpenObservation("trace")).toBe(true);
  held.settle([{ entity, hash: null, forgetAtMs: 100, trace: traceEntity, endAtMs: 77 }]);
  expect(held.hasOpenObservation("trace")).toBe(false);
  expect(held.trace("trace")).toMatchObject({ revision: 1, carriedRevision: 1, endAtMs: 77 });
  held.add([trace("more")], 50);
  expect(held.trace("trace")).toMatchObject({ revision: 2, carriedRevision: 1, seenAtMs: 50 });
});

test("events that went as they were leave nothing", () => {
  const held = memory();
  held.add([trace(), observation("a", 2), observation("b")], 0);
  const { bytes } = held;
  const [first, second, third] = held.first(10).map(({ id }) => id);
  held.remove([first as number, second as number]);
  expect(keysOf(held)).toEqual(["b"]);
  expect(held.bytes).toBeLessThan(bytes);
  held.remove([third as number]);
  expect(held.bytes).toBe(0);
});

test("the limit: what has gone leaves first, and what does not fit leaves nothing behind", () => {
  const held = memory({ maxBytes: 200 });
  held.add([observation("gone", 2, "x".repeat(100))], 0);
  const [entity] = held.due(10, 10);
  if (entity === undefined) throw new Error("nothing is due");
  held.settle([{ entity, hash: null, forgetAtMs: 10_000, trace: undefined, endAtMs: 0 }]);
  held.add([observation("b", 0, "x".repeat(100))], 20);
  expect(() => held.add([observation("c"), observation("d", 0, "x".repeat(100))], 20)).toThrow(HeldEventsFullError);
  expect(keysOf(held)).toEqual(["b"]);
});

test("bytes are counted in UTF-8, before and after a restart", () => {
  const directory = temporaryDirectory();
  const first = opened(setupIn(directory));
  first.events.add([observation("a", 0, "世界😀")], 0);
  const { bytes } = first.events;
  expect(bytes).toBe(Buffer.byteLength(observation("a", 0, "世界😀").payload));
  first.close();
  expect(opened(setupIn(directory)).events.bytes).toBe(bytes);
});

test("a clock that was put back makes nothing wait longer than a new event would", () => {
  const directory = temporaryDirectory();
  const first = opened(setupIn(directory));
  first.events.add([observation("a")], Date.now() + 3_600_000);
  first.close();
  expect(opened(setupIn(directory)).events.nextDueMs()).toBeLessThanOrEqual(Date.now());
});

test("what a process leaves is the next one's; an empty file goes", () => {
  const directory = join(temporaryDirectory(), "held");
  const setup = setupIn(directory);
  expect(hasHeldFiles(setup)).toBe(false);
  const first = opened(setup);
  first.events.add([observation("a"), trace()], Date.now());
  first.close();
  expect(hasHeldFiles(setup)).toBe(true);
  const second = opened(setup);
  expect(keysOf(second.events)).toEqual(["a", "trace"]);
  second.events.remove(second.events.first(10).map(({ id }) => id));
  second.events.forget(Date.now() + 10_000);
  second.close();
  expect(hasHeldFiles(setup)).toBe(false);
});

test("two processes write two files; who lives on takes in what the other left, once", () => {
  const directory = temporaryDirectory();
  const setup = setupIn(directory);
  const [first, second] = [opened(setup), opened(setup)];
  expect(first.events.file).not.toBe(second.events.file);
  first.events.add([observation("shared", 0, "same"), observation("a")], Date.now());
  second.events.add([observation("shared", 0, "same"), observation("b")], Date.now());
  adoptHeldEvents(setup, first);
  expect(keysOf(first.events)).toEqual(["shared", "a"]);
  second.close();
  adoptHeldEvents(setup, first);
  expect(keysOf(first.events)).toEqual(["shared", "a", "b"]);
  expect(readdirSync(directory).filter((name) => name.endsWith(".sqlite"))).toHaveLength(1);
});

test("who starts takes in what all that are dead left", () => {
  const directory = temporaryDirectory();
  const setup = setupIn(directory);
  const [first, second] = [opened(setup), opened(setup)];
  first.events.add([observation("a")], Date.now());
  second.events.add([observation("b")], Date.now());
  first.close();
  second.close();
  expect(keysOf(opened(setup).events)).toEqual(["a", "b"]);
});

test("another project's events are not touched", () => {
  const directory = temporaryDirectory();
  const other = opened({ ...setupIn(directory), owner: { ...owner, publicKey: "pk-other" } });
  other.events.add([observation("theirs")], Date.now());
  other.close();
  expect(hasHeldFiles(setupIn(directory))).toBe(false);
  expect(keysOf(opened(setupIn(directory)).events)).toEqual([]);
});

test("a damaged file is set aside, and what can be read of it is saved", () => {
  const directory = temporaryDirectory();
  const notices: string[] = [];
  const setup = setupIn(directory, notices);
  const first = opened(setup);
  first.events.add(
    Array.from({ length: 200 }, (_, index) => observation(`o${index}`, 0, "x".repeat(500))),
    Date.now(),
  );
  const { file } = first.events;
  first.close();
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.alloc(4096, 0x5a), 0, 4096, Math.floor(statSync(file).size / 8192) * 4096);
  closeSync(descriptor);
  const second = opened(setup);
  expect(keysOf(second.events).length).toBeGreaterThan(50);
  expect(notices).toEqual([expect.stringMatching(/damaged: \d+ of them were saved/)]);
  expect(readdirSync(directory).some((name) => name.includes(".damaged-"))).toBe(true);
});

test("a file that is no database is set aside", () => {
  const directory = temporaryDirectory();
  const notices: string[] = [];
  const setup = setupIn(directory, notices);
  const first = opened(setup);
  const { file } = first.events;
  first.events.add([observation("a")], Date.now());
  first.close();
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.alloc(100, 0x5a), 0, 100, 0);
  closeSync(descriptor);
  const second = opened(setup);
  expect(second.events.add([observation("b")], Date.now())).toBe(0);
  expect(notices).toHaveLength(1);
});
