/** The journals of a directory, and how people name what is in them: `2:17` is row 17 of journal-2.sqlite. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { crashLockFile, crashLogsIn } from "../../buffer/crash-log-file.ts";
import { journalFile, journalLockFile, journalSlotsIn } from "../../buffer/journal-files.ts";
import { isHeld, type JournalLook, lookAtJournal } from "../../buffer/journal-look.ts";
import { JournalView } from "../../buffer/journal-view.ts";
import type { StoredSpan } from "../../buffer/span-reader.ts";
import { isSpill } from "../../buffer/spill.ts";
import { eventsFolder } from "../../event-pipeline.ts";
import { exitCodes } from "../exit-codes.ts";
import { CommandError } from "./command-error.ts";

export interface Place extends JournalLook {
  /** `2`, or `events/2` for one with scores and events of old SDKs. */
  label: string;
  /** The folder that it is in. */
  directory: string;
  slot: number;
}

/** One that can be read. */
export type Row = StoredSpan & { place: Place };

/** @throws CommandError when there is no such directory. */
export function placesIn(directory: string): Place[] {
  if (!existsSync(directory)) {
    throw new CommandError(
      `there is no directory ${directory}: name the bot's own with --directory or SPAN_BUFFER_DIRECTORY`,
      exitCodes.usage,
    );
  }
  return [...placesOf(directory, ""), ...placesOf(join(directory, eventsFolder), `${eventsFolder}/`)];
}

function placesOf(directory: string, prefix: string): Place[] {
  if (!existsSync(directory)) return [];
  return journalSlotsIn(directory).map((slot) => {
    const look = lookAtJournal(journalFile(directory, slot), journalLockFile(directory, slot), false);
    return { ...look, label: `${prefix}${slot}`, directory, slot };
  });
}

/** What killed processes left beside the journals, in spill files and crash logs: the next start takes it in. */
export function leftBeside(directory: string): string[] {
  return [directory, join(directory, eventsFolder)].filter(existsSync).flatMap((folder) => {
    const spills = readdirSync(folder).filter(isSpill);
    const logs = [...crashLogsIn(folder)].filter(([ringId]) => !isHeld(crashLockFile(folder, ringId)));
    return [...spills.map((name) => join(folder, name)), ...logs.flatMap(([, files]) => files)];
  });
}

/** Whose it is, for people. */
export function describeOwner({ owner: { baseUrl, publicKey } }: Pick<Place, "owner">): string {
  return `${publicKey ?? "no key yet"} at ${baseUrl}`;
}

/**
 * What waits in these journals, journal by journal, the oldest first. A journal that cannot be read, or not to its end, is
 * passed over from there on.
 *
 * @param onUnreadable gets the reason.
 */
export function* rowsOf(
  places: readonly Place[],
  onUnreadable: (place: Place, reason: string) => void,
): Generator<Row> {
  for (const place of places) {
    if (place.trouble !== undefined) onUnreadable(place, place.trouble.reason);
    else if (place.version > 0) {
      try {
        yield* rowsIn(place);
      } catch (error) {
        // Gone since: its owner, or who took it over, has delivered it.
        if (existsSync(place.file)) onUnreadable(place, (error as Error).message);
      }
    }
  }
}

function* rowsIn(place: Place): Generator<Row> {
  const view = new JournalView(place.file);
  try {
    for (const span of view.spans()) yield { ...span, place };
  } finally {
    view.close();
  }
}

/** The id of a row: `2:17`, `events/1:5`. */
export function rowLabel(place: Place, id: number): string {
  return `${place.label}:${id}`;
}

/** Undefined: the text is no id of a row. */
export function parseRowLabel(text: string): { label: string; id: number } | undefined {
  const [, label, id] = /^((?:events\/)?\d+):(-?\d+)$/.exec(text) ?? [];
  return label === undefined ? undefined : { label, id: Number(id) };
}

/** @throws CommandError when there is none of this name. */
export function placeNamed(places: readonly Place[], label: string): Place {
  const found = places.find((place) => place.label === label);
  if (found !== undefined) return found;
  const known = places.map((place) => place.label).join(", ");
  throw new CommandError(`there is no journal ${label}: there are ${known === "" ? "none" : known}`, exitCodes.usage);
}
