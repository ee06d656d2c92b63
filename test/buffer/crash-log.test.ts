import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CrashLog } from "../../src/buffer/crash-log.ts";
import { crashLogsIn, noteJournal } from "../../src/buffer/crash-log-file.ts";
import { isLogWaiting, type ReplayResult, replayCrashLogs } from "../../src/buffer/crash-log-replay.ts";
import { encodeFrame } from "../../src/buffer/frame.ts";
import type { JournalOwner } from "../../src/buffer/journal-owner.ts";
import { type JournalSlot, takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { newAttachedRingId } from "../../src/buffer/ring-id.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const owner: JournalOwner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk-lf-a" };
const deadRing = "0d000000-0000-4000-8000-000000000001";
const ownRing = "0d000000-0000-4000-8000-000000000002";

interface Writer {
  log: CrashLog;
  notices: string[];
  /** Appends a span with that number; its payload is `span <number>` and as many x as wanted. */
  append(sequence: number, extraBytes?: number): void;
  /** What the journal has. */
  committed: number;
}

function writerIn(directory: string, ringId = deadRing, as = owner, maxBytes = 64 * 1024 * 1024): Writer {
  const notices: string[] = [];
  const writer: Writer = {
    notices,
    committed: 0,
    log: new CrashLog({
      directory,
      ringId,
      owner: as,
      safeSequence: () => writer.committed,
      maxBytes,
      onNotice: (_level, message) => notices.push(message),
    }),
    append(sequence, extraBytes = 0) {
      const frame = encodeFrame(Buffer.from(`span ${sequence}${"x".repeat(extraBytes)}`), sequence | 0);
      writer.log.append(frame, 0, frame.length, sequence);
    },
  };
  return writer;
}

/** As a killed process leaves it: its lock is free, its files are there. */
function kill({ log }: Writer, directory: string): void {
  const files = readdirSync(directory).filter((name) => name.startsWith("crash-") && !name.endsWith(".lock"));
  const contents = files.map((name) => [join(directory, name), readFileSync(join(directory, name))] as const);
  log.remove();
  for (const [file, content] of contents) writeFileSync(file, content);
}

function takeSlot(directory: string, as = owner): JournalSlot {
  const slot = takeJournalSlot(directory, as, ownRing);
  onTestFinished(() => {
    slot.journal.close();
    slot.release();
  });
  return slot;
}

function replay(directory: string, slot: JournalSlot, as = owner): ReplayResult {
  const unusable: Error[] = [];
  const onUnusable = (_file: string, error: Error): void => void unusable.push(error);
  const result = replayCrashLogs({ directory, slot, owner: as, ringId: ownRing, onUnusable });
  expect(unusable).toEqual([]);
  return result;
}

function textsIn({ journal }: JournalSlot): string[] {
  const limits = { fromId: 1, throughId: 2 ** 40, maxSpans: 100_000, maxBytes: 2 ** 30, atLeastOne: true };
  return journal
    .read(limits)
    .runs.flatMap((run) => Array.from({ length: run.count }, (_, index) => run.payload(index).toString()))
    .map((text) => text.replaceAll("x", ""));
}

function numbered(from: number, through: number): string[] {
  return Array.from({ length: through - from + 1 }, (_, index) => `span ${from + index}`);
}

test("what a killed process left is replayed, and its files go", () => {
  const directory = temporaryDirectory();
  const writer = writerIn(directory);
  for (let sequence = 1; sequence <= 100; sequence++) writer.append(sequence, sequence * 7);
  kill(writer, directory);
  const slot = takeSlot(directory);
  expect(replay(directory, slot)).toEqual({ spans: 100, damaged: 0 });
  expect(textsIn(slot)).toEqual(numbered(1, 100));
  expect(readdirSync(directory).filter((name) => name.startsWith("crash-"))).toEqual([]);
  expect(slot.journal.meta.ringIds()).toEqual([ownRing]);
  expect(replay(directory, slot)).toEqual({ spans: 0, damaged: 0 });
});

test("the log of an attached thread that is gone waits as long as its buffer lives, and is replayed when that is dead", () => {
  const directory = temporaryDirectory();
  const buffer = writerIn(directory);
  const thread = writerIn(directory, newAttachedRingId(deadRing));
  for (let sequence = 1; sequence <= 20; sequence++) thread.append(sequence);
  thread.log.leave();
  const slot = takeSlot(directory);
  expect(replay(directory, slot)).toEqual({ spans: 0, damaged: 0 });
  buffer.log.leave();
  expect(replay(directory, slot)).toEqual({ spans: 20, damaged: 0 });
  expect(textsIn(slot)).toEqual(numbered(1, 20));
  expect(readdirSync(directory).filter((name) => name.startsWith("crash-"))).toEqual([]);
});

test("the logs of the own ring's threads are not replayed, and their positions stay", () => {
  const directory = temporaryDirectory();
  const ringId = newAttachedRingId(ownRing);
  const thread = writerIn(directory, ringId);
  thread.append(1);
  thread.log.leave();
  const slot = takeSlot(directory);
  const withoutLog = newAttachedRingId(ownRing);
  slot.journal.meta.setRingPosition({ ringId: withoutLog, sequence: 7 });
  expect(replay(directory, slot)).toEqual({ spans: 0, damaged: 0 });
  expect([...crashLogsIn(directory).keys()]).toEqual([ringId]);
  expect(slot.journal.meta.ringPosition(withoutLog)).toBe(7);
});

test("what the journal has is not replayed, also when a replay was broken off before the files were gone", () => {
  const directory = temporaryDirectory();
  const slot = takeSlot(directory);
  const writer = writerIn(directory);
  noteJournal(directory, deadRing, slot.journal.meta.journalId);
  for (let sequence = 1; sequence <= 50; sequence++) writer.append(sequence);
  const payloads = PackedPayloads.of(numbered(1, 30).map((text) => Buffer.from(text)));
  slot.journal.insert([new SpanRun(slot.journal.nextIds(30), 1, payloads, false)], { ringId: deadRing, sequence: 30 });
  kill(writer, directory);
  const files = readdirSync(directory).filter((name) => /^crash-.*(log|journal)$/.test(name));
  const contents = files.map((name) => readFileSync(join(directory, name)));
  expect(replay(directory, slot)).toEqual({ spans: 20, damaged: 0 });
  expect(textsIn(slot)).toEqual(numbered(1, 50));
  // As if it had died between the commit and the removal: the position is still known.
  slot.journal.openRing(deadRing, 50);
  for (const [index, name] of files.entries()) writeFileSync(join(directory, name), contents[index] as Buffer);
  expect(replay(directory, slot)).toEqual({ spans: 0, damaged: 0 });
  expect(textsIn(slot)).toEqual(numbered(1, 50));
});

test("a log that another journal knows about is left to whoever holds that; once the journal is gone, to anybody", () => {
  const directory = temporaryDirectory();
  const other = takeJournalSlot(directory, owner, "ring-x");
  const slot = takeSlot(directory);
  const writer = writerIn(directory);
  noteJournal(directory, deadRing, other.journal.meta.journalId);
  writer.append(1);
  kill(writer, directory);
  expect(replay(directory, slot)).toEqual({ spans: 0, damaged: 0 });
  expect(crashLogsIn(directory).size).toBe(1);
  other.journal.close();
  other.release();
  rmSync(other.file);
  expect(replay(directory, slot)).toEqual({ spans: 1, damaged: 0 });
});

test("the log of a living process, of this ring, and of another project are left alone", () => {
  const directory = temporaryDirectory();
  const living = writerIn(directory);
  onTestFinished(() => living.log.remove());
  living.append(1);
  const own = writerIn(directory, ownRing);
  own.append(1);
  kill(own, directory);
  const foreign = writerIn(directory, "0d000000-0000-4000-8000-000000000003", { ...owner, publicKey: "pk-lf-b" });
  foreign.append(1);
  const foreignFiles = (crashLogsIn(directory).get("0d000000-0000-4000-8000-000000000003") ?? []).map(
    (file) => [file, readFileSync(file)] as const,
  );
  foreign.log.remove();
  for (const [file, content] of foreignFiles) writeFileSync(file, content);
  const slot = takeSlot(directory);
  expect(replay(directory, slot)).toEqual({ spans: 0, damaged: 0 });
  expect(crashLogsIn(directory).size).toBe(3);
});

test("a torn tail ends the replay, wherever it is torn", () => {
  for (const cutBytes of [1, 15, 16, 17, 31, 32, 33, 47]) {
    const directory = temporaryDirectory();
    const writer = writerIn(directory);
    for (let sequence = 1; sequence <= 10; sequence++) writer.append(sequence);
    const [file] = crashLogsIn(directory).get(deadRing) as string[];
    truncateSync(file as string, statSync(file as string).size - cutBytes);
    kill(writer, directory);
    const slot = takeSlot(directory);
    const { spans } = replay(directory, slot);
    expect(spans).toBe(cutBytes <= 32 ? 9 : 8);
    expect(textsIn(slot)).toEqual(numbered(1, spans));
  }
});

test("a flipped bit costs one span, and is counted", () => {
  const directory = temporaryDirectory();
  const writer = writerIn(directory);
  for (let sequence = 1; sequence <= 10; sequence++) writer.append(sequence);
  kill(writer, directory);
  const [file] = crashLogsIn(directory).get(deadRing) as string[];
  const content = readFileSync(file as string);
  const at = content.indexOf("span 4");
  content[at] = (content[at] as number) ^ 1;
  writeFileSync(file as string, content);
  const slot = takeSlot(directory);
  expect(replay(directory, slot)).toEqual({ spans: 9, damaged: 1 });
  expect(textsIn(slot)).toEqual([...numbered(1, 3), ...numbered(5, 10)]);
});

test("segments are used again once the journal has them, and older frames behind the newest are not replayed", () => {
  const directory = temporaryDirectory();
  const writer = writerIn(directory);
  const half = 2 * 1024 * 1024 - 1024;
  for (let sequence = 1; sequence <= 40; sequence++) {
    writer.append(sequence, sequence % 3 === 0 ? half : half / 3);
    writer.committed = Math.max(0, sequence - 3);
  }
  expect(crashLogsIn(directory).get(deadRing)?.length).toBeLessThanOrEqual(5);
  const slot = takeSlot(directory);
  noteJournal(directory, deadRing, slot.journal.meta.journalId);
  slot.journal.openRing(deadRing, 37);
  kill(writer, directory);
  expect(replay(directory, slot)).toEqual({ spans: 3, damaged: 0 });
  expect(textsIn(slot)).toEqual(numbered(38, 40));
});

test("frames of a segment's earlier use are not replayed, also when nothing tells how far the journal is", () => {
  const directory = temporaryDirectory();
  const writer = writerIn(directory);
  for (let sequence = 1; sequence <= 7; sequence++) {
    writer.append(sequence, 1024 * 1024);
    writer.committed = sequence - 1;
  }
  // Three to a segment, and the third segment is the first again: in it are 7 and, just behind, 2 and 3.
  kill(writer, directory);
  const [, second] = crashLogsIn(directory).get(deadRing) as string[];
  rmSync(second as string);
  const slot = takeSlot(directory);
  expect(replay(directory, slot)).toEqual({ spans: 1, damaged: 0 });
  expect(textsIn(slot)).toEqual(numbered(7, 7));
});

test("numbers go on beyond 32 bits", () => {
  const directory = temporaryDirectory();
  const writer = writerIn(directory);
  const base = 2 ** 32 - 5;
  for (let index = 0; index < 10; index++) writer.append(base + index);
  const slot = takeSlot(directory);
  noteJournal(directory, deadRing, slot.journal.meta.journalId);
  slot.journal.openRing(deadRing, base + 1);
  kill(writer, directory);
  expect(replay(directory, slot)).toEqual({ spans: 8, damaged: 0 });
});

test("files are their owner's alone, hold no secret, and are gone when the log is not needed any more", () => {
  const directory = join(temporaryDirectory(), "logs");
  const writer = writerIn(directory);
  writer.append(1);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  writer.log.remove();
  expect(readdirSync(directory)).toEqual([]);
  writer.append(2);
  expect(readdirSync(directory)).toEqual([]);
});

test("a log that cannot be written is said once, tried again, and comes back", async () => {
  const parent = temporaryDirectory();
  const directory = join(parent, "logs");
  writeFileSync(directory, "a file where the folder should be");
  const writer = writerIn(directory);
  expect(writer.log.isWriting).toBe(false);
  for (let sequence = 1; sequence <= 10; sequence++) writer.append(sequence);
  expect(writer.notices).toHaveLength(1);
  expect(writer.notices[0]).toMatch(/^the crash log in .* cannot be written: /);
  rmSync(directory);
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  writer.append(11);
  expect(writer.log.isWriting).toBe(true);
  expect(writer.notices).toHaveLength(2);
  writer.append(12);
  kill(writer, directory);
  const slot = takeSlot(parent);
  expect(replay(directory, slot)).toEqual({ spans: 2, damaged: 0 });
  expect(textsIn(slot)).toEqual(numbered(11, 12));
});

test("a folder that is removed under the log is noticed", async () => {
  const directory = join(temporaryDirectory(), "logs");
  const writer = writerIn(directory);
  onTestFinished(() => writer.log.remove());
  writer.append(1);
  rmSync(directory, { recursive: true });
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  writer.append(2);
  expect(writer.log.isWriting).toBe(false);
  expect(writer.notices).toHaveLength(1);
  expect(writer.notices[0]).toContain("was removed");
});

test("a write that fails: what was written before counts, and nothing is thrown", () => {
  const directory = temporaryDirectory();
  const writer = writerIn(directory);
  for (let sequence = 1; sequence <= 5; sequence++) writer.append(sequence);
  // More than the memory has: the file system's function throws.
  writer.log.append(Buffer.alloc(16), 0, 32, 6);
  expect(writer.log.isWriting).toBe(false);
  kill(writer, directory);
  const slot = takeSlot(directory);
  expect(replay(directory, slot)).toEqual({ spans: 5, damaged: 0 });
});

test("a log of which nothing ever becomes safe keeps to its limit, and to the newest spans", () => {
  const directory = temporaryDirectory();
  const writer = writerIn(directory, deadRing, owner, 16 * 1024 * 1024);
  for (let sequence = 1; sequence <= 60; sequence++) writer.append(sequence, 1024 * 1024);
  const logs = crashLogsIn(directory).get(deadRing) ?? [];
  expect(logs.length).toBe(4);
  kill(writer, directory);
  const slot = takeSlot(directory);
  const { spans } = replay(directory, slot);
  expect(spans).toBeGreaterThanOrEqual(10);
  expect(textsIn(slot)).toEqual(numbered(61 - spans, 60));
});

test("a log waits for the one journal that knows how far it has it, until it is replayed", () => {
  const directory = temporaryDirectory();
  const slot = takeSlot(directory);
  const { journal } = slot;
  const writer = writerIn(directory);
  writer.append(1);
  // No frame of that ring has come here.
  expect(isLogWaiting(directory, journal)).toBe(false);
  journal.openRing(deadRing);
  expect(isLogWaiting(directory, journal)).toBe(true);
  noteJournal(directory, deadRing, "another journal");
  expect(isLogWaiting(directory, journal)).toBe(false);
  noteJournal(directory, deadRing, journal.meta.journalId);
  expect(isLogWaiting(directory, journal)).toBe(true);
  kill(writer, directory);
  replay(directory, slot);
  expect(isLogWaiting(directory, journal)).toBe(false);
});
