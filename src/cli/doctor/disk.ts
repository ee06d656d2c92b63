/** The directory of the journals: is it there, has it room, do locks work? What is written for that is removed again. */
import { randomFillSync, randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { checkLocks } from "../../buffer/file-lock.ts";
import { duration, size } from "../quantities.ts";
import { type Finding, failed, note, ok } from "./findings.ts";
import type { Patient } from "./patient.ts";

/** As much as a fresh journal with its write-ahead log takes. */
const trialBytes = 1024 * 1024;

const syncedBytes = 4096;
const syncRounds = 5;
/** A disk that is slower than this holds up commits. */
const slowSyncMs = 100;

/** A directory is made for the examination, as a buffer would, and removed again at its end. */
export function examineDirectory({ settings, undo }: Patient): Finding {
  const { directory } = settings.options;
  const isThere = existsSync(directory);
  if (isThere && !statSync(directory).isDirectory()) {
    return failed("directory-in-the-way", `${directory} is there, and is no directory`);
  }
  if (!isThere) {
    try {
      const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
      if (first !== undefined) undo.push(() => removeMade(directory, first));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const isInTheWay = code === "ENOTDIR" || code === "EEXIST";
      return failed(isInTheWay ? "directory-in-the-way" : "directory-not-creatable", message);
    }
  }
  const trial = join(directory, `doctor-${randomUUID()}.trial`);
  try {
    closeSync(openSync(trial, "wx", 0o600));
    rmSync(trial);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return failed(isFull(code) ? "disk-full" : "directory-not-writable", message);
  }
  return isThere ? ownership(directory) : ok(`${directory} is not there yet, and can be made`);
}

function ownership(directory: string): Finding {
  const { uid, mode } = statSync(directory);
  const ownUid = process.getuid?.();
  if (ownUid !== undefined && uid !== ownUid) {
    return note("directory-of-another-user", `${directory} belongs to user ${uid}, doctor runs as ${ownUid}`);
  }
  if (ownUid !== undefined && (mode & 0o077) !== 0) {
    return note("directory-open-to-others", `${directory} is open to others (mode ${(mode & 0o777).toString(8)})`);
  }
  return ok(`${directory} can be written`);
}

/** Removes the directories from `directory` up to `first`, unless somebody has put something into them. */
function removeMade(directory: string, first: string): void {
  try {
    for (let each = directory; each.startsWith(first); each = dirname(each)) rmdirSync(each);
  } catch {
    // A bot that has started meanwhile.
  }
}

export function examineRoom({ settings }: Patient): Finding {
  const { directory, maxDiskBytes } = settings.options;
  const trial = join(directory, `doctor-${randomUUID()}.trial`);
  let syncMs: number;
  try {
    syncMs = writeTrial(trial);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return failed(
      isFull(code) ? "disk-full" : "directory-not-writable",
      `${size(trialBytes)} cannot be written: ${message}`,
    );
  } finally {
    rmSync(trial, { force: true });
  }
  const { bavail, bsize } = statfsSync(directory);
  const freeBytes = bavail * bsize;
  const message = `${size(freeBytes)} free, ${duration(syncMs)} for a write with fsync`;
  if (freeBytes < maxDiskBytes) {
    return note("disk-nearly-full", `${message}; the journal alone may grow to ${size(maxDiskBytes)} (maxDiskBytes)`);
  }
  return syncMs > slowSyncMs ? note("disk-slow", message) : ok(message);
}

/** Writes as a fresh journal does, and then some pages one by one. Returns what one of those took, the median, in ms. */
function writeTrial(file: string): number {
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    // Some file systems keep zeros as a hole.
    const block = randomFillSync(Buffer.allocUnsafe(trialBytes));
    for (let written = 0; written < block.length; ) written += writeSync(descriptor, block, written);
    fsyncSync(descriptor);
    const times = Array.from({ length: syncRounds }, () => {
      const started = performance.now();
      writeSync(descriptor, block, 0, syncedBytes);
      fsyncSync(descriptor);
      return performance.now() - started;
    });
    return times.sort((a, b) => a - b)[Math.floor(syncRounds / 2)] ?? 0;
  } finally {
    closeSync(descriptor);
  }
}

export function examineLocks({ settings }: Patient): Finding {
  try {
    checkLocks(settings.options.directory);
    return ok("work");
  } catch (error) {
    return failed("no-locks", (error as Error).message);
  }
}

function isFull(code: string | undefined): boolean {
  return code === "ENOSPC" || code === "EDQUOT";
}
