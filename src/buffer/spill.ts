/**
 * The spill file: what a process could not hand to its pump in its last moments (the pump not yet up, dead or stuck).
 * The caller's thread writes it whole under another name, syncs and renames it, so a file that bears the right name is
 * complete; the next pump of the same owner commits it to its journal and deletes it.
 *
 *     line 1   langfuse-span-buffer spill 1
 *     line 2   {"baseUrl":…,"publicKey":…}
 *     then     frames as in frame.ts, each starting at a multiple of 16 bytes of this part, numbered from 1
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { encodeFrame, framesOf } from "./frame.ts";
import { isSameOwner, type JournalOwner } from "./journal-owner.ts";
import type { JournalSlot } from "./journal-slot.ts";

const magic = "langfuse-span-buffer spill 1";
const extension = ".spill";

/** Is this the name of a spill file that nobody has claimed yet? */
export function isSpill(name: string): boolean {
  return name.endsWith(extension);
}

/** Writes the payloads to a new spill file in the directory. @throws what the file system throws. */
export function writeSpill(directory: string, owner: JournalOwner, payloads: readonly Uint8Array[]): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const name = `${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2, 10)}`;
  const unfinished = join(directory, `${name}.unfinished`);
  const file = openSync(unfinished, "wx", 0o600);
  try {
    writeSync(file, `${magic}\n${JSON.stringify(owner)}\n`);
    for (const [index, payload] of payloads.entries()) writeSync(file, encodeFrame(payload, index + 1));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(unfinished, join(directory, `${name}${extension}`));
}

/**
 * Commits the spill files of this owner to its journal, each once, and deletes them. Returns the number of spans.
 * A file of another owner stays; one that several pumps see at once goes to the one that renames it first.
 */
export function adoptSpills(
  directory: string,
  owner: JournalOwner,
  slot: JournalSlot,
  onUnusable: (name: string, error: Error) => void = () => undefined,
): number {
  // Claimed under the journal's name: if this process dies half-way, the next holder of the journal finishes.
  const claimed = `${extension}.${basename(slot.file)}`;
  let adopted = 0;
  for (const name of readdirSync(directory)) {
    const isClaimed = name.endsWith(claimed);
    if (!isClaimed && !isSpill(name)) continue;
    const path = join(directory, isClaimed ? name : `${name}.${basename(slot.file)}`);
    try {
      const spill = readSpill(join(directory, name));
      if (spill === undefined || !isSameOwner(spill.owner, owner)) continue;
      if (!isClaimed) renameSync(join(directory, name), path);
      adopted += slot.journal.insertSpill(basename(path), spill.payloads, Date.now());
    } catch (error) {
      // Unless another pump was quicker, this one file is at fault: it stays for somebody to look at.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") onUnusable(name, error as Error);
      continue;
    }
    try {
      rmSync(path, { force: true });
      slot.journal.forgetSpill(basename(path));
    } catch (error) {
      onUnusable(name, error as Error);
    }
  }
  return adopted;
}

function readSpill(path: string): { owner: JournalOwner; payloads: Buffer[] } | undefined {
  const content = readFileSync(path);
  const headerEnd = content.indexOf("\n", magic.length + 1);
  if (headerEnd < 0 || content.toString("utf8", 0, magic.length) !== magic) return undefined;
  const owner = JSON.parse(content.toString("utf8", magic.length + 1, headerEnd)) as JournalOwner;
  const payloads: Buffer[] = [];
  for (const { payload, isWhole } of framesOf(content.subarray(headerEnd + 1))) if (isWhole) payloads.push(payload);
  return { owner, payloads };
}
