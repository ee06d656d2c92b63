import { Buffer } from "node:buffer";
import { close, fstatSync, mkdirSync, openSync, rmSync, unlink, writeSync } from "node:fs";
import { crashLockFile, encodeHeader, journalNoteFile, noteJournal, segmentFile } from "./crash-log-file.ts";
import { type FileLock, tryLock } from "./file-lock.ts";
import type { JournalOwner } from "./journal-owner.ts";

/** A segment is closed beyond this, and used again when none of it is needed any more. */
const segmentBytes = 4 * 1024 * 1024;

/** Such segments that are kept for the next rotation: a file that is there already costs nothing to write. */
const maxSpareSegments = 2;

const firstRetryMs = 1_000;
const maxRetryMs = 60_000;

/** How often the log is looked for in its directory: somebody may have removed it. */
const checkEveryMs = 1_000;

interface Segment {
  file: string;
  descriptor: number;
  headerBytes: number;
  position: number;
  /** Number of the newest frame in it. */
  lastSequence: number;
}

export interface CrashLogOptions {
  directory: string;
  ringId: string;
  owner: JournalOwner;
  /** Number of the last frame that needs no log any more. */
  safeSequence: () => number;
  /** Of all segments that still count; beyond it the oldest goes. */
  maxBytes: number;
  onNotice: (level: "info" | "warn", message: string) => void;
}

/**
 * The crash log of durability `strict`, on the caller's thread: each frame is appended before `end()` returns, by one
 * write to the page cache, so that a killed process loses none. Never throws: when the disk fails, spans go on to the
 * journal without it, and the log is tried again after a while.
 */
export class CrashLog {
  /** Which journal takes the spans, once the pump has said so. */
  journalId: string | undefined;
  readonly #options: CrashLogOptions;
  #lock: FileLock | undefined;
  #segments = 0;
  #current: Segment | undefined;
  /** Full or given up, oldest first. */
  #closed: Segment[] = [];
  #retryAtMs = 0;
  #retryDelayMs = firstRetryMs;
  #checkAtMs = 0;

  constructor(options: CrashLogOptions) {
    this.#options = options;
    this.#attempt(() => this.#open());
  }

  /** Is every frame in the log, as far as it is not in the journal? */
  get isWriting(): boolean {
    return this.#current !== undefined;
  }

  /** Appends one frame as it lies in memory. */
  append(memory: Buffer, offset: number, bytes: number, sequence: number): void {
    this.#attempt(() => this.#append(memory, offset, bytes, sequence));
  }

  /** All spans are elsewhere: the log goes. */
  remove(): void {
    const { directory, ringId } = this.#options;
    for (const { file } of this.#end()) removeFile(file);
    removeFile(journalNoteFile(directory, ringId));
    this.leave();
    removeFile(crashLockFile(directory, ringId));
  }

  /** Nothing is written any more, and the log is there for whoever starts next. */
  leave(): void {
    this.#end();
    this.#lock?.release();
    this.#lock = undefined;
  }

  #end(): Segment[] {
    const segments = [...this.#closed, ...(this.#current === undefined ? [] : [this.#current])];
    this.#closed = [];
    this.#current = undefined;
    this.#retryAtMs = Number.POSITIVE_INFINITY;
    for (const { descriptor } of segments) close(descriptor, ignore);
    return segments;
  }

  #append(memory: Buffer, offset: number, bytes: number, sequence: number): void {
    if (this.#current === undefined) {
      if (performance.now() < this.#retryAtMs) return;
      this.#open();
      this.#options.onNotice("info", "the crash log is written again");
    } else if (this.#current.position + bytes > segmentBytes && this.#current.position > this.#current.headerBytes) {
      this.#rotate();
    }
    const segment = this.#current as Segment;
    const nowMs = performance.now();
    if (nowMs >= this.#checkAtMs) {
      this.#checkAtMs = nowMs + checkEveryMs;
      if (fstatSync(segment.descriptor).nlink === 0) throw new Error(`${segment.file} was removed`);
    }
    const written = writeSync(segment.descriptor, memory, offset, bytes, segment.position);
    if (written < bytes) throw new Error(`only ${written} of ${bytes} bytes were written`);
    segment.position += bytes;
    segment.lastSequence = sequence;
  }

  #rotate(): void {
    this.#closed.push(this.#current as Segment);
    const safe = this.#options.safeSequence() | 0;
    const isDone = (segment: Segment): boolean => ((safe - segment.lastSequence) | 0) >= 0;
    const [oldest] = this.#closed;
    const isFull = this.#closed.length * segmentBytes >= this.#options.maxBytes;
    if (oldest === undefined || !(isDone(oldest) || isFull)) {
      this.#current = this.#newSegment();
      return;
    }
    this.#closed.shift();
    this.#current = { ...oldest, position: oldest.headerBytes };
    while (this.#closed.length > maxSpareSegments && isDone(this.#closed[0] as Segment)) {
      const { file, descriptor } = this.#closed.shift() as Segment;
      // Not on this thread: the kernel gives megabytes back.
      close(descriptor, ignore);
      unlink(file, ignore);
    }
  }

  #open(): void {
    const { directory, ringId } = this.#options;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // Before the first segment: whoever finds a log without its lock takes it for a dead process'.
    this.#lock ??= tryLock(crashLockFile(directory, ringId));
    if (this.journalId !== undefined) noteJournal(directory, ringId, this.journalId);
    this.#current = this.#newSegment();
    this.#retryDelayMs = firstRetryMs;
  }

  #newSegment(): Segment {
    const { directory, ringId, owner } = this.#options;
    const file = segmentFile(directory, ringId, ++this.#segments);
    const header = encodeHeader({ ringId, owner });
    const descriptor = openSync(file, "wx", 0o600);
    const segment = { file, descriptor, headerBytes: header.length, position: header.length, lastSequence: 0 };
    try {
      if (writeSync(descriptor, header, 0, header.length, 0) < header.length) throw new Error("the disk is full");
    } catch (error) {
      close(descriptor, ignore);
      removeFile(file);
      throw error;
    }
    return segment;
  }

  /** Runs what may fail; after a failure there is a pause without a log. */
  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    const isNews = this.#current !== undefined || this.#retryAtMs === 0;
    if (this.#current !== undefined) {
      // What is in it counts until the journal has it. (A rotation that failed has put it there already.)
      if (this.#closed.at(-1) !== this.#current) this.#closed.push(this.#current);
      this.#current = undefined;
    }
    this.#retryAtMs = performance.now() + this.#retryDelayMs;
    this.#retryDelayMs = Math.min(maxRetryMs, this.#retryDelayMs * 2);
    if (!isNews) return;
    this.#options.onNotice(
      "warn",
      `the crash log in ${this.#options.directory} cannot be written: ${error.message}; until it can, a killed process loses what is not yet in the journal`,
    );
  }
}

function ignore(): void {
  // A file of a log that is not needed any more: nothing depends on it.
}

function removeFile(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // Whoever starts next finds it, and that the journal has all of it.
  }
}
