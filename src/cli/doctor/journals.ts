/** The health of all journals in the directory. They are only read, whoever holds them. */
import { statSync } from "node:fs";
import { relative } from "node:path";
import type { JournalLook } from "../../buffer/journal-look.ts";
import { isSameOwner, type JournalOwner } from "../../buffer/journal-owner.ts";
import { count, counted } from "../quantities.ts";
import { figuresOf } from "../status/figures.ts";
import { type Survey, survey } from "../survey.ts";
import type { Cause } from "./causes.ts";
import { type Finding, failed, note, ok } from "./findings.ts";
import type { Patient } from "./patient.ts";

interface Remark {
  cause: Cause;
  status: "note" | "failed";
  message: string;
}

const troubleCauses = {
  damaged: "journal-damaged",
  newer: "journal-newer",
  unreadable: "journal-unreadable",
} as const;

/** The first cause of the gravest kind is the step's; all remarks are in its message. */
export function examineJournals({ settings }: Patient): Finding {
  const { directory, baseUrl, publicKey } = settings.options;
  // Something else in its place is another step's.
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return ok("none yet");
  let found: Survey;
  try {
    found = survey(directory, { isChecked: true });
  } catch (error) {
    return failed("journal-unreadable", (error as Error).message);
  }
  const { stores, totals } = figuresOf(found, Date.now());
  if (stores.length === 0) return ok("none yet");
  const remarks = remarksOn(found, { baseUrl, publicKey });
  const message = [
    `${counted(stores.length, "file")}, ${counted(totals.waiting, "record")} waiting`,
    ...remarks.map((remark) => remark.message),
  ].join("\n");
  const gravest = remarks.find(({ status }) => status === "failed") ?? remarks[0];
  if (gravest === undefined) return ok(message, stores);
  return (gravest.status === "failed" ? failed : note)(gravest.cause, message, stores);
}

function remarksOn({ directory, journals, held }: Survey, owner: JournalOwner): Remark[] {
  const remarks: Remark[] = [];
  for (const { file, trouble } of [...journals, ...held]) {
    if (trouble === undefined) continue;
    const message = `${relative(directory, file)}: ${trouble.reason}`;
    remarks.push({ cause: troubleCauses[trouble.kind], status: "failed", message });
  }
  for (const look of journals) {
    const message = noteOn(look, owner);
    if (message !== undefined) {
      remarks.push({ ...message, status: "note", message: `${relative(directory, look.file)} ${message.message}` });
    }
    const letters = look.deadLetters.reduce((sum, each) => sum + each.count, 0);
    if (letters > 0) {
      const words = `${relative(directory, look.file)} has ${counted(letters, "dead letter")}`;
      remarks.push({ cause: "dead-letters", status: "note", message: words });
    }
  }
  return remarks;
}

function noteOn(
  { isHeld, owner, waiting, trouble }: JournalLook,
  own: JournalOwner,
): { cause: Cause; message: string } | undefined {
  if (isHeld) return { cause: "journal-in-use", message: "is in use by a living process" };
  if (trouble !== undefined || waiting === 0) return undefined;
  // A journal without keys goes to whoever comes with keys for the same host.
  if (own.publicKey !== undefined && isSameOwner(owner, own)) {
    return { cause: "journal-left-behind", message: `was left behind with ${count(waiting)} waiting` };
  }
  const project = `${owner.publicKey ?? "no keys"} at ${owner.baseUrl}`;
  return { cause: "journal-of-another-project", message: `waits for another project (${project})` };
}
