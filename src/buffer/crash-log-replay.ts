import { readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { crashLockFile, crashLogsIn, journalNoteFile, readSegment, type Segment } from "./crash-log-file.ts";
import { type FileLock, tryLock } from "./file-lock.ts";
import { isSameOwner, type JournalOwner } from "./journal-owner.ts";
import type { Journal } from "./journal.ts";
import { journalIdsIn } from "./journal-metas.ts";
import type { JournalSlot } from "./journal-slot.ts";
import { leadRingId } from "./ring-id.ts";

export interface ReplayOptions {
  /** Where crash logs may be. */
  directory: string;
  slot: JournalSlot;
  owner: JournalOwner;
  /** The living ring of this process: its log, and those of the threads attached to it, are not touched. */
  ringId: string;
  /** A log that cannot be read or removed; it stays. */
  onUnusable: (file: string, error: Error) => void;
}

export interface ReplayResult {
  /** Spans that the journal did not have. */
  spans: number;
  /** Frames in the middle of a log that were damaged. */
  damaged: number;
}

/**
 * Commits what dead processes left in their crash logs and no journal has, each span once, and removes the logs.
 *
 * How far a ring's frames are committed is known to one journal alone, the one noted beside its log: so whoever holds
 * that journal replays the log; one without a note, or whose journal is gone, anybody. The position moves in the same
 * transaction as the spans, so a process that dies in here repeats none.
 */
export function replayCrashLogs(options: ReplayOptions): ReplayResult {
  const { directory, slot, ringId: own, onUnusable } = options;
  const result: ReplayResult = { spans: 0, damaged: 0 };
  for (const [ringId, files] of crashLogsIn(directory)) {
    if (leadRingId(ringId) === own) continue;
    try {
      const locks = lockDead(directory, ringId);
      if (locks === undefined) continue;
      try {
        if (!replayOne(ringId, files, options, result)) continue;
        for (const file of files) rmSync(file, { force: true });
        rmSync(journalNoteFile(directory, ringId), { force: true });
        slot.journal.meta.forgetRing(ringId);
        for (const { file } of locks) rmSync(file, { force: true });
      } finally {
        for (const { lock } of locks) lock.release();
      }
    } catch (error) {
      onUnusable(files[0] as string, error as Error);
    }
  }
  const left = crashLogsIn(directory);
  for (const ringId of slot.journal.meta.ringIds()) {
    if (leadRingId(ringId) !== own && !left.has(ringId)) slot.journal.meta.forgetRing(ringId);
  }
  return result;
}

/**
 * The locks of a ring's log; undefined: it is in use. That of an attached thread is, as long as its buffer lives: the
 * thread may be gone, but what was in its ring is not.
 */
function lockDead(directory: string, ringId: string): { file: string; lock: FileLock }[] | undefined {
  const locks: { file: string; lock: FileLock }[] = [];
  for (const id of new Set([leadRingId(ringId), ringId])) {
    const file = crashLockFile(directory, id);
    const lock = tryLock(file);
    if (lock !== undefined) locks.push({ file, lock });
    else {
      for (const { lock: held } of locks) held.release();
      return undefined;
    }
  }
  return locks;
}

/**
 * Does a crash log wait for this journal, which alone knows how far it has it? A killed process lets go of its files one
 * after the other, so a log may still be locked when its journal no longer is. Without the journal all of it would be
 * replayed.
 */
export function isLogWaiting(directory: string, journal: Journal): boolean {
  const logs = crashLogsIn(directory);
  return journal.meta.ringIds().some((ringId) => {
    if (!logs.has(ringId)) return false;
    const noted = readNote(journalNoteFile(directory, ringId));
    return noted === undefined || noted === journal.meta.journalId;
  });
}

/**
 * Has a dead process left a log that names no journal? It was killed before it had one, so all of the log is missing. (Of a
 * log whose journal is gone nobody knows how much is; the next start replays it.)
 *
 * @param own the living ring of this process.
 */
export function isAnyLogStray(options: Pick<ReplayOptions, "directory" | "owner" | "ringId">): boolean {
  const { directory, owner, ringId: own } = options;
  for (const [ringId, files] of crashLogsIn(directory)) {
    if (leadRingId(ringId) === own) continue;
    try {
      if (readNote(journalNoteFile(directory, ringId)) !== undefined) continue;
      const locks = lockDead(directory, ringId);
      for (const { lock } of locks ?? []) lock.release();
      if (locks !== undefined && areOwnedBy(owner, files.map(readSegment))) return true;
    } catch {
      // One that cannot be read is said to be so by the next start, which tries to replay it.
    }
  }
  return false;
}

function areOwnedBy(owner: JournalOwner, segments: readonly (Segment | undefined)[]): boolean {
  return segments.every((segment) => segment === undefined || isSameOwner(segment.header.owner, owner));
}

/** Returns whether the log is done with. */
function replayOne(ringId: string, files: readonly string[], options: ReplayOptions, result: ReplayResult): boolean {
  const { directory, slot, owner } = options;
  const segments = files.map(readSegment).filter((segment): segment is Segment => segment !== undefined);
  if (!areOwnedBy(owner, segments)) return false;
  const noted = readNote(journalNoteFile(directory, ringId));
  if (noted !== undefined && noted !== slot.journal.meta.journalId && journalIdsIn(dirname(slot.file)).has(noted))
    return false;
  const byNumber = segments
    .filter(({ frames }) => frames.length > 0)
    .sort((a, b) => ((a.frames[0]?.sequence ?? 0) - (b.frames[0]?.sequence ?? 0)) | 0);
  for (const { frames, damaged } of byNumber) {
    const position = slot.journal.meta.ringPosition(ringId) ?? 0;
    const isMissing = (sequence: number): boolean => ((sequence - position) | 0) > 0;
    const missing = frames.filter(({ sequence }) => isMissing(sequence));
    result.damaged += damaged.filter(isMissing).length;
    if (missing.length === 0) continue;
    const payloads = missing.map(({ payload }) => payload);
    const sequence = (missing.at(-1)?.sequence ?? 0) >>> 0;
    slot.journal.insertPayloads(payloads, Date.now(), { ringId, sequence });
    result.spans += missing.length;
  }
  return true;
}

function readNote(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
