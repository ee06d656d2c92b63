import type { Command } from "commander";
import { identityOf, isStoredEvent, storedObject } from "../../buffer/stored-identity.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { CommandError } from "./command-error.ts";
import { directoryOf, type JournalFlags, journalCommand, print, told } from "./journal-command.ts";
import { parseRowLabel, placeNamed, placesIn, type Row, rowLabel, rowsOf } from "./places.ts";
import { spanTree } from "./span-tree.ts";
import { unreadableNotes } from "./unreadable.ts";

interface ShownRecord {
  /** Of its row: `2:17`. */
  id: string;
  acceptedAt: string;
  /** As stored; undefined: it is no JSON object. */
  record: object | undefined;
}

export function showCommand(): Command {
  return journalCommand({
    name: "show",
    description: "the waiting spans of a trace as a tree, or one span whole; beside a running bot too",
    examples: [
      ["show 0af7651916cd43dd8448eb211c80319c", "the tree of a trace"],
      ["show 1:42", "one span of journal-1.sqlite with all its fields"],
      ["show 0af7651916cd43dd8448eb211c80319c --json", "all spans of a trace with all their fields"],
    ],
    notes: "span-buffer list shows trace ids, the tree shows the ids of spans (journal:row).",
  })
    .argument("<id>", "a trace id, or the id of a span in a journal")
    .action(told(show));
}

function show(id: string, flags: JournalFlags): ExitCode {
  const directory = directoryOf(flags);
  const { unreadable, onUnreadable } = unreadableNotes();
  const records = found(id, directory, onUnreadable);
  if (records.length === 0) {
    throw new CommandError(
      `nothing of ${id} waits in ${directory}: it has been delivered, is a dead letter (span-buffer dead-letters list), or was never here`,
    );
  }
  const [only] = records;
  const isOne = parseRowLabel(id) !== undefined;
  print(flags, { directory, records, unreadable }, () => (isOne ? wholeText(only as ShownRecord) : traceText(records)));
  return unreadable.length > 0 ? exitCodes.damaged : exitCodes.ok;
}

function found(id: string, directory: string, onUnreadable: Parameters<typeof rowsOf>[1]): ShownRecord[] {
  const places = placesIn(directory);
  const row = parseRowLabel(id);
  if (row !== undefined) {
    const place = placeNamed(places, row.label);
    for (const each of rowsOf([place], onUnreadable)) if (each.id === row.id) return [shown(each)];
    return [];
  }
  const records: ShownRecord[] = [];
  for (const each of rowsOf(places, onUnreadable)) {
    const isIn = each.payload.includes(id) && identityOf(storedObject(each.payload) ?? {}).traceId === id;
    if (isIn) records.push(shown(each));
  }
  return records;
}

function shown({ place, id, acceptedAtMs, payload }: Row): ShownRecord {
  return { id: rowLabel(place, id), acceptedAt: new Date(acceptedAtMs).toISOString(), record: storedObject(payload) };
}

function wholeText({ id, acceptedAt, record }: ShownRecord): string {
  return `${id}, accepted ${acceptedAt}\n${JSON.stringify(record, undefined, 2)}`;
}

function traceText(records: readonly ShownRecord[]): string {
  const isEvent = ({ record = {} }: ShownRecord): boolean => isStoredEvent(record);
  const spans = records.filter((each) => !isEvent(each)).map(({ id, record = {} }) => ({ label: id, span: record }));
  const events = records.filter(isEvent).map(({ id, record = {} }) => `${identityOf(record).name}  ${id}`);
  return [...(spans.length > 0 ? [spanTree(spans)] : []), ...events].join("\n");
}
