/** What a living process takes over of dead ones beside their journals. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CrashLog } from "../../src/buffer/crash-log.ts";
import { noteJournal } from "../../src/buffer/crash-log-file.ts";
import { isAnyLogStray } from "../../src/buffer/crash-log-replay.ts";
import { encodeFrame } from "../../src/buffer/frame.ts";
import { Journal } from "../../src/buffer/journal.ts";
import type { JournalOwner } from "../../src/buffer/journal-owner.ts";
import { type JournalSlot, takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { Announcer } from "../../src/workers/announcer.ts";
import { Orphans } from "../../src/workers/orphans.ts";
import { Store } from "../../src/workers/store.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const owner: JournalOwner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk-lf-a" };
const ownRing = "0d000000-0000-4000-8000-000000000001";
const otherRing = "0d000000-0000-4000-8000-000000000002";

interface Living {
  slot: JournalSlot;
  /** As many turns of the pump as it takes until nothing is left to do. Returns when the next look is due. */
  look: () => number;
  texts: () => string[];
  said: string[];
}

function livingProcess(directory: string): Living {
  const slot = takeJournalSlot(directory, owner, ownRing);
  const said: string[] = [];
  const announcer = new Announcer((message) => {
    if (message.type === "notice") said.push(message.message);
  });
  const setup = {
    isRestart: false,
    durability: "journal" as const,
    maxQueueSize: 1_000,
    maxDiskBytes: 1024 ** 3,
    maxDeadLetterBytes: 1024 ** 2,
    maxMemoryBytes: 64 * 1024 ** 2,
    overflowPolicy: "drop-oldest" as const,
    baseUrl: owner.baseUrl,
    destination: undefined,
  };
  const store = new Store(setup, slot.journal, announcer);
  onTestFinished(() => {
    slot.journal.close();
    slot.release();
  });
  const look = (): number => {
    const parts = { directory, crashLogDirectory: directory, ringId: ownRing, owner, store, announcer };
    const orphans = new Orphans({ ...parts, onProgress: () => undefined });
    do orphans.step();
    while (orphans.isBusy);
    const dueAtMs = orphans.deadlineMs;
    orphans.close();
    return dueAtMs;
  };
  const texts = (): string[] => {
    const limits = { fromId: -(2 ** 40), throughId: 2 ** 40, maxSpans: 1_000, maxBytes: 2 ** 30, atLeastOne: true };
    const { runs } = slot.journal.read(limits);
    return runs.flatMap((run) => Array.from({ length: run.count }, (_, index) => run.payload(index).toString()));
  };
  return { slot, look, texts, said };
}

/** A log with so many spans in it. It is locked until `kill`, after which it is as a killed process leaves it. */
function crashLog(directory: string, spans: number, as = owner): { kill(): void } {
  const log = new CrashLog({
    directory,
    ringId: otherRing,
    owner: as,
    safeSequence: () => 0,
    maxBytes: 2 ** 24,
    onNotice: () => undefined,
  });
  for (let sequence = 1; sequence <= spans; sequence++) {
    const frame = encodeFrame(Buffer.from(`span ${sequence}`), sequence);
    log.append(frame, 0, frame.length, sequence);
  }
  onTestFinished(() => log.remove());
  return {
    kill() {
      const names = readdirSync(directory).filter(
        (name) => name.startsWith(`crash-${otherRing}`) && !name.endsWith("lock"),
      );
      const contents = names.map((name) => [join(directory, name), readFileSync(join(directory, name))] as const);
      log.remove();
      for (const [file, content] of contents) writeFileSync(file, content);
    },
  };
}

function leftIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => /^crash-.*\.(log|journal)$|^journal-\d+\.sqlite$/.test(name));
}

test("a process that was killed before its journal was anybody's: its spans are taken over, and nothing is left of it", () => {
  const directory = temporaryDirectory();
  const { look, texts, said } = livingProcess(directory);
  new Journal(join(directory, "journal-2.sqlite")).close();
  const log = crashLog(directory, 3);
  expect(isAnyLogStray({ directory, owner, ringId: ownRing })).toBe(false);
  look();
  // While it lives its log is its own; a journal that nobody holds is not.
  expect(texts()).toEqual([]);
  expect(leftIn(directory)).toEqual([`crash-${otherRing}-1.log`, "journal-1.sqlite"]);
  log.kill();
  look();
  expect(texts()).toEqual(["span 1", "span 2", "span 3"]);
  expect(leftIn(directory)).toEqual(["journal-1.sqlite"]);
  look();
  expect(texts()).toHaveLength(3);
  expect(said).toEqual(["3 spans of a process that is gone were taken over"]);
});

test("a log that names a journal, or is another project's, is left alone", () => {
  const directory = temporaryDirectory();
  const { look, texts } = livingProcess(directory);
  const journal = takeJournalSlot(directory, owner, otherRing);
  onTestFinished(() => {
    journal.journal.close();
    journal.release();
  });
  crashLog(directory, 3).kill();
  noteJournal(directory, otherRing, journal.journal.meta.journalId);
  // Not even a journal is made for it.
  expect(isAnyLogStray({ directory, owner, ringId: ownRing })).toBe(false);
  look();
  expect(texts()).toEqual([]);
  expect(leftIn(directory)).toHaveLength(4);
  const other = temporaryDirectory();
  const foreign = livingProcess(other);
  crashLog(other, 3, { ...owner, publicKey: "pk-lf-b" }).kill();
  expect(isAnyLogStray({ directory: other, owner, ringId: ownRing })).toBe(false);
  foreign.look();
  expect(foreign.texts()).toEqual([]);
  expect(leftIn(other)).toEqual([`crash-${otherRing}-1.log`, "journal-1.sqlite"]);
});

test("a log that cannot be read is no reason to look again and again", () => {
  const directory = temporaryDirectory();
  const { look, texts } = livingProcess(directory);
  mkdirSync(join(directory, `crash-${otherRing}-1.log`));
  look();
  expect(texts()).toEqual([]);
  expect(existsSync(join(directory, "journal-2.sqlite"))).toBe(false);
});

test("after a journal the next is looked for at once, but not after a log that may have stayed", () => {
  const directory = temporaryDirectory();
  const { look, texts } = livingProcess(directory);
  crashLog(directory, 2).kill();
  expect(look()).toBeGreaterThan(performance.now());
  expect(texts()).toHaveLength(2);
  const journal = takeJournalSlot(directory, owner, otherRing);
  journal.journal.close();
  journal.release();
  expect(look()).toBe(0);
});
