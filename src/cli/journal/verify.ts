import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { isDamage } from "../../buffer/damage.ts";
import { lookAtJournal } from "../../buffer/journal-look.ts";
import { JournalView } from "../../buffer/journal-view.ts";
import { isStoredEvent, storedObject } from "../../buffer/stored-identity.ts";
import { identityFault } from "../../otlp/span-identity.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { CommandError } from "./command-error.ts";
import { directoryOf, type JournalFlags, journalCommand, print, told } from "./journal-command.ts";
import { describeOwner, type Place, placesIn } from "./places.ts";
import { counted, size } from "../quantities.ts";

interface Finding {
  /** `fault`: spans are lost or out of reach. `note`: worth knowing. */
  level: "fault" | "note";
  what: string;
  /** What to do. */
  remedy?: string;
}

interface Verdict {
  journal: string;
  file: string;
  isHeld: boolean;
  version: number;
  owner: Place["owner"];
  /** Rows that could be read. */
  records: number;
  deadLetters: number;
  findings: Finding[];
}

/** Of a journal in use: a longer look would keep its process from carrying its write-ahead log over. */
const maxHeldBytes = 64 * 1024 * 1024;

const repair = "span-buffer repair saves what can be read";

export function verifyCommand(): Command {
  return journalCommand({
    name: "verify",
    description: "are the journals sound? Reads everything, changes nothing; beside a running bot too",
    examples: [
      ["verify", "all journals of the directory"],
      ["verify journal-1.damaged-….sqlite", "one file: one that was set aside, say, or a copy"],
    ],
    notes: `Of a journal in use and larger than ${size(maxHeldBytes)} the rows are read, but not the structure checked.`,
  })
    .argument("[file]", "one journal file in place of a directory")
    .action(told(verify));
}

function verify(file: string | undefined, flags: JournalFlags): ExitCode {
  const places = file === undefined ? placesIn(directoryOf(flags)) : [placeOf(file)];
  const verdicts = places.map(verdictOf);
  const isSound = verdicts.every(({ findings }) => findings.every(({ level }) => level === "note"));
  print(flags, { isSound, journals: verdicts }, () =>
    verdicts.length === 0 ? "no journals" : verdicts.map(describe).join("\n"),
  );
  return isSound ? exitCodes.ok : exitCodes.damaged;
}

function placeOf(file: string): Place {
  if (!existsSync(file)) throw new CommandError(`there is no file ${file}`, exitCodes.usage);
  const look = lookAtJournal(file, file.replace(/\.sqlite$/, ".lock"), false);
  return { ...look, label: basename(file), directory: "", slot: 0 };
}

function verdictOf(place: Place): Verdict {
  const { label, file, isHeld, version, owner, trouble } = place;
  const findings: Finding[] = [];
  const verdict: Verdict = { journal: label, file, isHeld, version, owner, records: 0, deadLetters: 0, findings };
  if (trouble !== undefined) {
    const remedy = { damaged: repair, newer: "use the newer langfuse-span-buffer", unreadable: undefined }[
      trouble.kind
    ];
    findings.push({ level: "fault", what: trouble.reason, ...(remedy === undefined ? {} : { remedy }) });
  } else if (version > 0) {
    try {
      readInto(verdict, place);
    } catch (error) {
      // A journal may go while it is looked at, with everything in it delivered.
      if (existsSync(file))
        findings.push({
          level: "fault",
          what: (error as Error).message,
          ...(isDamage(error) ? { remedy: repair } : {}),
        });
    }
  }
  return verdict;
}

function readInto(verdict: Verdict, { file, bytes, isHeld, deadLetters }: Place): void {
  const { findings } = verdict;
  verdict.deadLetters = deadLetters.reduce((sum, { count }) => sum + count, 0);
  const view = new JournalView(file);
  try {
    if (isHeld && bytes > maxHeldBytes) {
      findings.push({ level: "note", what: "in use and large: its structure was not checked" });
    } else {
      const complaint = view.complaint(!isHeld);
      if (complaint !== undefined) findings.push({ level: "fault", what: complaint, remedy: repair });
      const { said, found } = view.counted();
      if (said !== found) {
        findings.push({ level: "fault", what: `it says ${said} spans and has ${found}`, remedy: repair });
      }
    }
    const faults = new Map<string, number>();
    for (const { payload } of view.spans()) {
      verdict.records++;
      const fault = faultOf(payload);
      if (fault !== undefined) faults.set(fault, (faults.get(fault) ?? 0) + 1);
    }
    for (const [fault, count] of faults) {
      const what = `${counted(count, "record")}: ${fault}; Langfuse cannot store them, they will be dead letters`;
      findings.push({ level: "note", what });
    }
  } finally {
    view.close();
  }
}

/** Why a record can never be delivered; undefined: it can. */
function faultOf(payload: Buffer): string | undefined {
  const stored = storedObject(payload);
  if (stored === undefined) return "no JSON object";
  return isStoredEvent(stored) ? undefined : identityFault(stored);
}

function describe(verdict: Verdict): string {
  const { file, isHeld, version, records, deadLetters, findings } = verdict;
  const isFaulty = findings.some(({ level }) => level === "fault");
  const use = isHeld ? "in use" : "not in use";
  const content = `${counted(records, "record")}, ${counted(deadLetters, "dead letter")}`;
  const head = `${isFaulty ? "FAULT" : "ok"}  ${file}: version ${version}, ${use}, ${content}, of ${describeOwner(verdict)}`;
  const lines = findings.map(({ level, what, remedy }) => {
    return `      ${level}: ${what}${remedy === undefined ? "" : `; ${remedy}`}`;
  });
  return [head, ...lines].join("\n");
}
