import type { Command } from "commander";
import { takeSlot } from "../../buffer/journal-slot.ts";
import { NewerJournalError } from "../../buffer/journal-schema.ts";
import { describeRescue, type Rescue } from "../../buffer/salvage.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { directoryOf, type JournalFlags, journalCommand, note, print, told } from "./journal-command.ts";
import { type Place, placesIn } from "./places.ts";

type Repaired =
  | { journal: string; outcome: "sound" | "in-use" }
  | { journal: string; outcome: "recounted"; by: number }
  | { journal: string; outcome: "replaced"; rescue: Rescue }
  | { journal: string; outcome: "failed"; reason: string };

export function repairCommand(): Command {
  return journalCommand({
    name: "repair",
    description: "put fresh journals with all that can be read in the place of damaged ones",
    examples: [
      ["repair", "all journals of the directory that no process has in use"],
      ["verify", "before: what is wrong, without changing anything"],
    ],
    notes:
      "A bot does the same when it starts, and while it runs; this looks deeper: at every page and every row. The damaged\n" +
      "file is set aside, never deleted. A journal in use is left alone: its process repairs it as soon as it meets damage.",
  }).action(told(repair));
}

function repair(flags: JournalFlags): ExitCode {
  const places = placesIn(directoryOf(flags));
  const journals = places.map(repaired);
  print(flags, { journals }, () =>
    journals.length === 0
      ? "no journals"
      : journals.map((each, index) => describe(each, places[index] as Place)).join("\n"),
  );
  if (journals.some(({ outcome }) => outcome === "failed")) return exitCodes.failed;
  return journals.some(({ outcome }) => outcome === "in-use") ? exitCodes.inUse : exitCodes.ok;
}

function repaired({ label: journal, directory, slot, isHeld, file }: Place): Repaired {
  if (isHeld) return { journal, outcome: "in-use" };
  const damaged: Rescue[] = [];
  let wrongBy = 0;
  try {
    const taken = takeSlot(
      directory,
      slot,
      (opened) => {
        wrongBy = opened.checkWhole();
        return true;
      },
      damaged,
    );
    if (taken === undefined) return { journal, outcome: "in-use" };
    taken.journal.close();
    taken.release();
  } catch (error) {
    const { message } = error as Error;
    note(`${file}: ${message}`);
    return {
      journal,
      outcome: "failed",
      reason: error instanceof NewerJournalError ? message : `not repaired: ${message}`,
    };
  }
  const [rescue] = damaged;
  if (rescue !== undefined) return { journal, outcome: "replaced", rescue };
  return wrongBy === 0 ? { journal, outcome: "sound" } : { journal, outcome: "recounted", by: wrongBy };
}

function describe(repaired: Repaired, { file }: Place): string {
  return `${file}: ${outcomeText(repaired)}`;
}

function outcomeText(repaired: Repaired): string {
  switch (repaired.outcome) {
    case "sound":
      return "nothing is wrong";
    case "in-use":
      return "in use, left alone; to have it looked at, stop its process first";
    case "recounted":
      return `its count was wrong by ${repaired.by}, and is right now`;
    case "replaced":
      return describeRescue(repaired.rescue);
    default:
      return repaired.reason;
  }
}
