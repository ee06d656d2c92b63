/** The pump's thread: opens the journal, puts the parts together, runs until told to end. */
import { parentPort, workerData } from "node:worker_threads";
import { AttachedLink } from "../buffer/attached-link.ts";
import { SharedCounters } from "../buffer/counters.ts";
import { noteJournal } from "../buffer/crash-log-file.ts";
import { replayCrashLogs } from "../buffer/crash-log-replay.ts";
import { Journal } from "../buffer/journal.ts";
import type { JournalOwner } from "../buffer/journal-owner.ts";
import { type JournalSlot, retakeJournalSlot, takeJournalSlot } from "../buffer/journal-slot.ts";
import { RingConsumer } from "../buffer/ring-consumer.ts";
import { describeRescue } from "../buffer/salvage.ts";
import { adoptSpills } from "../buffer/spill.ts";
import { Announcer } from "./announcer.ts";
import { ExportPool } from "./export-pool.ts";
import { lookEveryMs } from "./letter-request.ts";
import { returnMemoryIfWanted } from "./memory-return.ts";
import type { AttachedRing, CallerMessage, PumpMessage, PumpSetup } from "./messages.ts";
import { DiskReturn } from "./disk-return.ts";
import { Orphans } from "./orphans.ts";
import { Pump } from "./pump.ts";
import { Rings } from "./rings.ts";
import { Sender } from "./sender.ts";
import { Store } from "./store.ts";
import { stepBack } from "./thread-priority.ts";

/** For a crashed pump's thread to end: its journal's lock ends with it. */
const retakeAttempts = 20;
const retakeEveryMs = 100;

/** A pump that lives so long after a crash is well. */
const provenAfterMs = 5_000;

stepBack("pump");
returnMemoryIfWanted();

const setup = workerData as PumpSetup;
const owner: JournalOwner = { baseUrl: setup.baseUrl, publicKey: setup.destination?.publicKey };
const announcer = new Announcer(post);
const counters = new SharedCounters(setup.counters);

// Before the ring is claimed: messages must not be lost, and the listener keeps the thread alive while it waits.
const early: CallerMessage[] = [];
let receive = (message: CallerMessage): void => {
  early.push(message);
};
parentPort?.on("message", (message: CallerMessage) => receive(message));

const signs = new RingConsumer(setup.ring);

/** Is the journal the one that this ring's earlier pump wrote? */
let isOwnJournal = false;
const slot = openSlot();
const pump = createPump(slot);
if (pump === undefined) {
  slot.journal.close();
  slot.release();
  endThread();
} else {
  receive = (message) => pump.receive(message);
  for (const message of early.splice(0)) pump.receive(message);
  setInterval(() => pump.attendRequest(), lookEveryMs).unref();
  if (setup.isRestart) setTimeout(() => post({ type: "running" }), provenAfterMs).unref();
  // Not awaited: a bundle in the form of CommonJS has no top-level await. A failure is the thread's, whatever the host
  // wants done with unhandled rejections.
  pump.run().then(endThread, (error: unknown) => setImmediate(() => fail(error)));
}

function endThread(): void {
  parentPort?.close();
}

function fail(error: unknown): never {
  throw error;
}

function createPump(journalSlot: JournalSlot): Pump | undefined {
  const { journal } = journalSlot;
  const ownCount = isOwnJournal ? journal.count : 0;
  const damaged = journalSlot.file === ":memory:" ? 0 : adoptLeftovers(journalSlot);
  const committed = committedFrames(journal, setup.ringId, counters.read().taken);
  journal.openRing(setup.ringId, committed >>> 0);
  const ring = new RingConsumer(setup.ring, committed);
  const rings = new Rings(setup.ringId, ring);
  const committedAttached = attachRings(rings, journal);
  if (!ring.claim()) return undefined;
  const store = new Store(setup, journal, announcer);
  store.counters.taken = committed;
  store.counters.takenAttached = committedAttached;
  continueCounters(store, ownCount);
  store.countUnreadable(damaged + unreadableIn(journalSlot));
  const pool = new ExportPool({
    taskUrl: setup.exportTaskUrl,
    threads: setup.exportThreads,
    concurrency: setup.exportConcurrency,
  });
  const sender = new Sender(setup, store, pool, announcer, () => created.reported());
  const { directory } = setup;
  const onJournal = (id: string): void => {
    for (const ringId of setup.hasCrashLog ? rings.ids : []) tellJournal(ringId, id);
  };
  const diskReturn = new DiskReturn({ slot: journalSlot, directory, owner, store, announcer, onJournal });
  const orphans = new Orphans({
    directory,
    crashLogDirectory: setup.crashLogDirectory,
    ringId: setup.ringId,
    owner,
    store,
    announcer,
    onProgress: beat,
  });
  const crashLogDirectory = setup.hasCrashLog ? setup.crashLogDirectory : undefined;
  const onAttach = (attached: AttachedRing): void => {
    rings.attach(attached, 0);
    if (setup.hasCrashLog) tellJournal(attached.id, store.hold.journal.meta.journalId);
  };
  const created = new Pump({
    rings,
    store,
    sender,
    pool,
    counters,
    announcer,
    post,
    crashLogDirectory,
    diskReturn,
    orphans,
    onAttach,
  });
  created.publish();
  return created;
}

/** Those that there are already. Returns how many of their frames, and of those that are gone, are dealt with. */
function attachRings(rings: Rings, journal: Journal): number {
  let taken = counters.read().takenAttached;
  for (const attached of setup.attached) {
    const { id, memory, lead } = attached;
    const counted = new AttachedLink(memory, lead).counted(counters.place);
    const sequence = committedFrames(journal, id, counted);
    rings.attach(attached, sequence);
    taken += sequence - counted;
    if (setup.hasCrashLog) tellJournal(id, journal.meta.journalId);
  }
  return taken;
}

/** Spans of earlier processes that a damaged journal had. What this ring's own had is known from its counters. */
function unreadableIn({ file, damaged }: JournalSlot): number {
  if (isOwnJournal) return 0;
  return damaged.filter((rescue) => rescue.file === file).reduce((sum, { lost }) => sum + lost, 0);
}

/** What earlier processes left beside their journals. Returns how many spans among it are damaged. */
function adoptLeftovers(journalSlot: JournalSlot): number {
  const { directory, crashLogDirectory, ringId } = setup;
  const spilled = adoptSpills(directory, owner, journalSlot, sayUnusable);
  if (spilled > 0) announcer.say("spilled", "info", `${spilled} spans of a process that ended in a hurry were adopted`);
  if (setup.hasCrashLog) tellJournal(setup.ringId, journalSlot.journal.meta.journalId);
  const options = { directory: crashLogDirectory, slot: journalSlot, owner, ringId, onUnusable: sayUnusable };
  const { spans, damaged } = replayCrashLogs(options);
  if (spans > 0) announcer.say("replayed", "info", `${spans} spans of a killed process came from its crash log`);
  if (damaged > 0) announcer.say("log-damaged", "warn", `${damaged} spans in a crash log were damaged and are lost`);
  return damaged;
}

/** Before the first commit of this ring: who replays its crash log must know which journal to ask. */
function tellJournal(ringId: string, journalId: string): void {
  if (ringId === setup.ringId) post({ type: "journal", id: journalId });
  try {
    noteJournal(setup.crashLogDirectory, ringId, journalId);
  } catch {
    // Then there is no log either; should it come back, the caller leaves the note.
  }
}

function sayUnusable(name: string, { message }: Error): void {
  announcer.say(name, "warn", `${name} in ${setup.directory} cannot be adopted: ${message}`);
}

/** The journal, or in its place one in memory: a directory that cannot be used must not stop the bot. */
function openSlot(): JournalSlot {
  try {
    const own = setup.isRestart ? waitForOwnSlot() : undefined;
    isOwnJournal = own !== undefined;
    const found = own ?? takeJournalSlot(setup.directory, owner, setup.ringId, beat);
    for (const { file, count, owner: other } of found.foreign) {
      const whose = `${other.publicKey ?? "no key"} at ${other.baseUrl}`;
      announcer.say(file, "warn", `${file} holds ${count} spans for ${whose}: start with that key to deliver them`);
    }
    for (const rescue of found.damaged) announcer.say(rescue.file, "warn", describeRescue(rescue));
    for (const { file, reason } of found.unusable) announcer.say(file, "warn", `${file} cannot be read: ${reason}`);
    return found;
  } catch (error) {
    isOwnJournal = false;
    const message = `the journal in ${setup.directory} cannot be opened: ${(error as Error).message}; spans are kept in memory only, and the directory is tried again`;
    announcer.say("disk", "warn", message);
    announcer.lastError(message);
    return {
      journal: new Journal(":memory:"),
      file: ":memory:",
      foreign: [],
      unusable: [],
      damaged: [],
      release: () => undefined,
    };
  }
}

/** The journal of the pump that crashed. Its thread may still be letting go of it. */
function waitForOwnSlot(): JournalSlot | undefined {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < retakeAttempts; attempt++) {
    const slot = retakeJournalSlot(setup.directory, setup.ringId);
    if (slot !== undefined) return slot;
    Atomics.wait(pause, 0, 0, retakeEveryMs);
  }
  return undefined;
}

/** A sign of life: what is done before the first turn, or in one, may take long. */
function beat(): void {
  signs.countTurn();
}

/**
 * How many frames of a ring an earlier pump, which crashed, had dealt with.
 *
 * @param taken how many it had counted when it last published.
 */
function committedFrames(journal: Journal, ringId: string, taken: number): number {
  // Without its own journal, or with durability `overflow`, it may have taken more than this journal knows of.
  const position = journal.meta.ringPosition(ringId) ?? taken;
  // Frames are numbered modulo 2^32, taken ones are not.
  return taken + Math.max(0, (position - taken) | 0);
}

/**
 * A pump that follows a crashed one goes on counting where that one last published.
 *
 * @param ownCount spans that the earlier pump's own journal had before anything was adopted.
 */
function continueCounters({ counters: now }: Store, ownCount: number): void {
  const { taken, takenAttached, pending } = now;
  Object.assign(now, counters.read(), { taken, takenAttached, pending });
  now.recovered += pending - ownCount;
  const settled = now.acknowledged + now.deadLettered + now.droppedDiskFull + now.droppedDamaged;
  const missing = taken + takenAttached + now.recovered - pending - settled;
  // Spans that the earlier pump adopted and did not live to count.
  now.recovered += Math.max(0, -missing);
  // Recorded by a commit that it did not live to count.
  const acknowledged = Math.min(now.acknowledging, Math.max(0, missing));
  const buried = Math.min(now.burying, Math.max(0, missing - acknowledged));
  now.acknowledged += acknowledged;
  now.deadLettered += buried;
  const lost = Math.max(0, missing - acknowledged - buried);
  now.droppedDamaged += lost;
  if (lost > 0) announcer.say("crash-lost", "warn", `${lost} spans ${fateOfLost()}`);
}

function fateOfLost(): string {
  if (setup.durability === "overflow")
    return "were in the memory of the pump that crashed, and are lost (durability overflow)";
  if (isOwnJournal) return "are no longer in the journal of the pump that crashed, and are lost";
  return "are in the journal of the pump that crashed, which cannot be had now: they count as dropped, and as recovered once they are found";
}

function post(message: PumpMessage): void {
  parentPort?.postMessage(message);
}
