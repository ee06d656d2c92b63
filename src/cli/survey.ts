/** All that waits below a directory of journals, as it is seen from outside; nothing is changed, whoever holds it. */
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { crashLogsIn } from "../buffer/crash-log-file.ts";
import { heldFilesIn } from "../buffer/held-files.ts";
import { type HeldLook, lookAtHeldEvents } from "../buffer/held-look.ts";
import { journalFile, journalLockFile, journalSlotsIn } from "../buffer/journal-files.ts";
import { type JournalLook, lookAtJournal } from "../buffer/journal-look.ts";
import { isSpill } from "../buffer/spill.ts";

/** What a folder's journals hold: spans, or the scores and events of a sidecar. */
export type JournalKind = "spans" | "events";

export interface Survey {
  directory: string;
  journals: (JournalLook & { kind: JournalKind })[];
  /** Events of old SDKs that a sidecar holds until they are whole. */
  held: HeldLook[];
  /** Crash logs of durability `strict`, those of living processes included, and spans that processes left at their end. */
  leftovers: { crashLogs: number; spills: number };
  /** Damaged files that were set aside; what could be read of them is in a journal. */
  setAside: string[];
}

/** The directory itself, its projects' folders, and theirs. */
const deepest = 2;

/** As a sidecar names the folder of its scores and events. */
const eventsFolder = "events";

/**
 * Looks at a directory and the folders in it.
 *
 * @param isChecked also checks the structure of journals up to 64 MiB.
 * @throws what the file system says to the directory itself; folders that cannot be read are passed over.
 */
export function survey(directory: string, { isChecked }: { isChecked: boolean }): Survey {
  const found: Survey = { directory, journals: [], held: [], leftovers: { crashLogs: 0, spills: 0 }, setAside: [] };
  // Throws for the directory itself.
  readdirSync(directory);
  for (const folder of foldersFrom(directory, deepest)) lookInto(folder, found, isChecked);
  return found;
}

function lookInto(folder: string, found: Survey, isChecked: boolean): void {
  const kind = basename(folder) === eventsFolder && folder !== found.directory ? "events" : "spans";
  for (const slot of journalSlotsIn(folder)) {
    const look = lookAtJournal(journalFile(folder, slot), journalLockFile(folder, slot), isChecked);
    if (isStillThere(look)) found.journals.push({ ...look, kind });
  }
  found.held.push(...heldFilesIn(folder).map(lookAtHeldEvents).filter(isStillThere));
  found.leftovers.crashLogs += crashLogsIn(folder).size;
  for (const name of readdirSync(folder)) {
    if (isSpill(name)) found.leftovers.spills++;
    if (/\.damaged-.*\.sqlite$/.test(name)) found.setAside.push(join(folder, name));
  }
}

/** A journal that is adopted, or emptied, goes at any moment. */
function isStillThere({ file, trouble }: { file: string; trouble: unknown }): boolean {
  return trouble === undefined || existsSync(file);
}

function* foldersFrom(folder: string, depth: number): Generator<string> {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return;
  }
  yield folder;
  if (depth === 0) return;
  for (const entry of entries) if (entry.isDirectory()) yield* foldersFrom(join(folder, entry.name), depth - 1);
}
