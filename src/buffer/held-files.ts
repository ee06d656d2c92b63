/** Which file of held events a process writes, and what becomes of those that others left (held-events.ts). */
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createForOwner, type FileLock, tryLock } from "./file-lock.ts";
import { HeldEvents } from "./held-events.ts";
import type { HeldEvent, HeldEventsLimits } from "./held-events-schema.ts";
import type { JournalOwner } from "./journal-owner.ts";
import { existingFirst, numbersIn } from "./numbered-files.ts";
import { readableRows } from "./readable-rows.ts";
import { isDamage, reasonOf } from "./damage.ts";
import { removeDatabase, setAsideFile } from "./salvage.ts";
import { openDatabase } from "./sqlite.ts";

/** More files than this in one directory mean that something else is wrong. */
const maxSlots = 1_000;

/** Events of another file that are taken over in one transaction. */
const chunkEvents = 500;

export interface HeldFilesSetup {
  directory: string;
  owner: JournalOwner;
  limits: HeldEventsLimits;
  /** What a stored event is about; undefined: it is none. */
  describe: (payload: string) => HeldEvent | undefined;
  /** For people. */
  onNotice: (message: string) => void;
}

/** The file of this process, with its lock. */
export interface OpenHeldEvents {
  events: HeldEvents;
  /** Closes the file; removes it when nothing is in it. */
  close(): void;
}

/** Are there files of this owner? */
export function hasHeldFiles({ directory, owner }: HeldFilesSetup): boolean {
  return heldFilesOf(directory, owner).length > 0;
}

/** The files of this owner. */
export function heldFilesOf(directory: string, owner: JournalOwner): string[] {
  return slotsIn(directory, owner).map((slot) => fileOf(directory, owner, slot, "sqlite"));
}

/**
 * Opens the first file of this owner that nobody holds, or makes one, and takes in what dead processes left in others.
 * A damaged file is set aside; what can be read of it is taken in.
 *
 * @throws when the directory cannot be made or written, or SQLite cannot open the file.
 */
export function openHeldEvents(setup: HeldFilesSetup): OpenHeldEvents {
  const { directory, owner } = setup;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const slot of existingFirst(slotsIn(directory, owner), maxSlots)) {
    const lock = tryLock(fileOf(directory, owner, slot, "lock"));
    if (lock === undefined) continue;
    const file = fileOf(directory, owner, slot, "sqlite");
    try {
      const events = openOrReplace(file, setup);
      const open = { events, close: () => closeHeld(events, lock) };
      adoptHeldEvents(setup, open);
      return open;
    } catch (error) {
      lock.release();
      throw error;
    }
  }
  throw new Error(`all ${maxSlots} files for held events of ${directory} are in use`);
}

/** Takes in what dead processes left. @throws as `openHeldEvents`; what is not taken in by then stays where it is. */
export function adoptHeldEvents(setup: HeldFilesSetup, { events }: OpenHeldEvents): void {
  const { directory, owner } = setup;
  for (const slot of slotsIn(directory, owner)) {
    const file = fileOf(directory, owner, slot, "sqlite");
    if (file === events.file) continue;
    const lock = tryLock(fileOf(directory, owner, slot, "lock"));
    if (lock === undefined) continue;
    try {
      // Another may have been quicker, and removed it.
      if (existsSync(file)) takeIn(file, events, setup);
    } finally {
      lock.release();
    }
  }
}

function takeIn(file: string, into: HeldEvents, setup: HeldFilesSetup): void {
  const left = openOrReplace(file, setup);
  try {
    for (let rows = left.first(chunkEvents); rows.length > 0; rows = left.first(chunkEvents)) {
      into.add(described(rows, setup), Date.now());
      left.remove(rows.map(({ id }) => id));
    }
  } finally {
    left.close();
  }
  removeDatabase(file);
}

function openOrReplace(file: string, setup: HeldFilesSetup): HeldEvents {
  createForOwner(file);
  try {
    return new HeldEvents(file, setup.limits, Date.now());
  } catch (error) {
    if (!isDamage(error)) throw error;
    const damaged = setAsideFile(file, reasonOf(error));
    createForOwner(file);
    const events = new HeldEvents(file, setup.limits, Date.now());
    const saved = rescue(damaged, events, setup);
    setup.onNotice(`held events were damaged: ${saved} of them were saved; the damaged file is kept as ${damaged}`);
    return events;
  }
}

/** Returns how many could be read. Some may have gone before: better twice than never. */
function rescue(damaged: string, into: HeldEvents, setup: HeldFilesSetup): number {
  let saved = 0;
  try {
    const database = openDatabase(damaged, { busyTimeoutMs: 1_000 });
    try {
      for (const row of readableRows<{ id: number; payload: unknown }>(
        database,
        ["id, payload"],
        "events",
        undefined,
      )) {
        if (typeof row.payload !== "string") continue;
        const events = described([{ payload: row.payload }], setup);
        saved += events.length - into.add(events, Date.now());
      }
    } finally {
      database.close();
    }
  } catch {
    // Nothing more can be read.
  }
  return saved;
}

function described(rows: readonly { payload: string }[], { describe }: HeldFilesSetup): HeldEvent[] {
  return rows.map(({ payload }) => describe(payload)).filter((event) => event !== undefined);
}

function closeHeld(events: HeldEvents, lock: FileLock): void {
  let isEmpty = false;
  try {
    ({ isEmpty } = events);
  } catch {
    // Damaged: it is looked at by whoever opens it next.
  }
  try {
    events.close();
    if (isEmpty) removeDatabase(events.file);
  } finally {
    lock.release();
  }
}

/** The files of all owners in a directory. @throws what the file system throws. */
export function heldFilesIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => /^held-[0-9a-f]+-\d+\.sqlite$/.test(name))
    .sort()
    .map((name) => join(directory, name));
}

function slotsIn(directory: string, owner: JournalOwner): number[] {
  if (!existsSync(directory)) return [];
  return numbersIn(directory, new RegExp(`^held-${ownerMark(owner)}-(\\d+)\\.sqlite$`));
}

function fileOf(directory: string, owner: JournalOwner, slot: number, ending: "sqlite" | "lock"): string {
  return join(directory, `held-${ownerMark(owner)}-${slot}.${ending}`);
}

/** Tells owners apart in a file's name. Nothing in it is secret. */
function ownerMark({ baseUrl, publicKey }: JournalOwner): string {
  return hash("sha256", JSON.stringify([baseUrl, publicKey ?? ""])).slice(0, 12);
}
