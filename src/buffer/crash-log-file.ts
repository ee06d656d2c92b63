/**
 * The crash log's files, in a directory of the user's choice, readable by their owner only:
 *
 * - `crash-<ring>-<n>.log`, the segments: a line with the format's name, a line of JSON (`CrashLogHeader`), zeros up to a
 *   multiple of 16 bytes, then frames (frame.ts) as they lie in the ring, whose numbers follow each other. A segment is
 *   used again once the journal has all of it: behind its newest frame are then older ones, told by their numbers.
 * - `crash-<ring>.lock`: held while the process lives that writes the log.
 * - `crash-<ring>.journal`: the id of the journal that takes this ring's spans. Without it, none has taken any.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { framesOf } from "./frame.ts";
import type { JournalOwner } from "./journal-owner.ts";

const formatName = "langfuse-span-buffer crash log 1";
const newline = 0x0a;

export interface CrashLogHeader {
  ringId: string;
  owner: JournalOwner;
}

export function segmentFile(directory: string, ringId: string, index: number): string {
  return join(directory, `crash-${ringId}-${index}.log`);
}

export function crashLockFile(directory: string, ringId: string): string {
  return join(directory, `crash-${ringId}.lock`);
}

export function journalNoteFile(directory: string, ringId: string): string {
  return join(directory, `crash-${ringId}.journal`);
}

/** Leaves word beside a ring's log which journal takes its spans. @throws what the file system throws. */
export function noteJournal(directory: string, ringId: string, journalId: string): void {
  writeFileSync(journalNoteFile(directory, ringId), journalId, { mode: 0o600 });
}

const segmentName = /^crash-([0-9a-f-]+)-\d+\.log$/;

/** The segments in a directory by ring; none when there is no such directory. */
export function crashLogsIn(directory: string): Map<string, string[]> {
  const logs = new Map<string, string[]>();
  let names: string[] = [];
  try {
    names = readdirSync(directory);
  } catch {
    // Not there, or not to be read: whoever writes a log says so.
  }
  for (const name of names) {
    const ringId = segmentName.exec(name)?.[1];
    if (ringId !== undefined) logs.set(ringId, [...(logs.get(ringId) ?? []), join(directory, name)]);
  }
  return logs;
}

/** Removes a ring's log with all that belongs to it: a journal has its frames. @throws what the file system throws. */
export function removeCrashLog(directory: string, ringId: string): void {
  for (const file of crashLogsIn(directory).get(ringId) ?? []) rmSync(file, { force: true });
  rmSync(journalNoteFile(directory, ringId), { force: true });
  rmSync(crashLockFile(directory, ringId), { force: true });
}

export function encodeHeader(header: CrashLogHeader): Buffer {
  const text = `${formatName}\n${JSON.stringify(header)}\n`;
  const bytes = Buffer.alloc((Buffer.byteLength(text) + 15) & ~15);
  bytes.write(text);
  return bytes;
}

export interface Segment {
  header: CrashLogHeader;
  /** In order, as far as they are whole. */
  frames: { sequence: number; payload: Buffer }[];
  /** Numbers of frames between them that are not whole. */
  damaged: number[];
}

/** Reads a segment up to its end: a torn frame, or one from before it was used again. Undefined: it is none. */
export function readSegment(file: string): Segment | undefined {
  const content = readFileSync(file);
  if (content.toString("latin1", 0, formatName.length) !== formatName) return undefined;
  const lineEnd = content.indexOf(newline, formatName.length + 1);
  if (lineEnd < 0) return undefined;
  let header: CrashLogHeader;
  try {
    header = JSON.parse(content.toString("utf8", formatName.length + 1, lineEnd)) as CrashLogHeader;
  } catch {
    return undefined;
  }
  const segment: Segment = { header, frames: [], damaged: [] };
  let torn: number[] = [];
  let expected: number | undefined;
  for (const { sequence, payload, isWhole } of framesOf(content.subarray((lineEnd + 16) & ~15))) {
    if (expected !== undefined && sequence !== expected) break;
    expected = (sequence + 1) | 0;
    if (isWhole) {
      segment.damaged.push(...torn);
      torn = [];
      segment.frames.push({ sequence, payload });
    } else {
      // At the end it is one whose `end()` never returned.
      torn.push(sequence);
    }
  }
  return segment;
}
