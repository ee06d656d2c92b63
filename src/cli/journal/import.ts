import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { Journal } from "../../buffer/journal.ts";
import { makeJournalSlot } from "../../buffer/journal-slot.ts";
import { type ResolvedOptions, resolveOptions } from "../../options.ts";
import { eventsFolder } from "../../event-pipeline.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { CommandError } from "./command-error.ts";
import { importRecords } from "./import-records.ts";
import { directoryOf, type JournalFlags, journalCommand, note, print, told } from "./journal-command.ts";
import { Progress } from "./progress.ts";
import { counted } from "../quantities.ts";

interface ImportAccount {
  spans: number;
  events: number;
  /** Spans that were larger than `maxSpanBytes`. */
  cut: number;
  /** Reason → records. */
  refused: Record<string, number>;
}

type Kind = "span" | "event";

/** What is written in one step of the transaction. */
const stepRecords = 500;
const stepBytes = 4 * 1024 * 1024;

/** Ends the making of a journal into which nothing has come. */
class NothingFound extends Error {}

export function importCommand(): Command {
  return journalCommand({
    name: "import",
    description: "put the spans of a file into a new journal; the bot that runs, the next one, or drain delivers them",
    examples: [
      ["import waiting.jsonl", "what span-buffer export has written"],
      ["import collector.json", "what an OpenTelemetry Collector's file exporter has written"],
    ],
    notes:
      "All of the file or nothing: when it is stopped half-way, nothing is in the journal, and it can be repeated. The\n" +
      "journal belongs to the project of LANGFUSE_BASE_URL and LANGFUSE_PUBLIC_KEY. A file that is imported twice is\n" +
      "delivered twice.",
  })
    .argument("<file>", "JSON Lines of stored spans and events, or of OTLP requests")
    .action(told(importFile));
}

function importFile(file: string, flags: JournalFlags): ExitCode {
  if (!existsSync(file)) throw new CommandError(`there is no file ${file}`, exitCodes.usage);
  const directory = directoryOf(flags);
  const options = resolveOptions({ directory });
  const account: ImportAccount = { spans: 0, events: 0, cut: 0, refused: {} };
  const spans = make("span", file, directory, options, account);
  const events = account.events > 0 ? make("event", file, join(directory, eventsFolder), options, account) : undefined;
  const journals = [spans, events].filter((each) => each !== undefined);
  const refused = Object.values(account.refused).reduce((sum, count) => sum + count, 0);
  if (journals.length > 0 && options.publicKey === undefined) {
    note(`no LANGFUSE_PUBLIC_KEY: the first process with keys for ${options.baseUrl} delivers the journal as its own`);
  }
  print(flags, { directory, journals, ...account }, () => {
    const taken = `${counted(account.spans, "span")} and ${counted(account.events, "event")} taken`;
    const reasons = Object.entries(account.refused).map(([reason, count]) => `\n  ${count} × ${reason}`);
    const cut = account.cut > 0 ? `\n${counted(account.cut, "span")} cut to maxSpanBytes` : "";
    return `${taken}, ${refused} refused${reasons.join("")}${cut}${journals.map((each) => `\n${each}`).join("")}`;
  });
  return refused > 0 ? exitCodes.undelivered : exitCodes.ok;
}

/** Makes a journal of the file's records of one kind; the account is made with the spans. Undefined: there are none. */
function make(
  kind: Kind,
  file: string,
  directory: string,
  options: ResolvedOptions,
  account: ImportAccount,
): string | undefined {
  const progress = new Progress(kind === "span" ? "bytes" : "bytes of events", statSync(file).size);
  try {
    const { baseUrl, publicKey } = options;
    const slot = makeJournalSlot(directory, { baseUrl, publicKey }, (journal) => {
      const records = importRecords(file, options.maxSpanBytes, (bytes) => progress.update(bytes));
      const taken = fill(journal, kind, kind === "span" ? accounted(records, account) : records);
      if (taken === 0) throw new NothingFound();
    });
    slot.journal.close();
    slot.release();
    return slot.file;
  } catch (error) {
    if (!(error instanceof NothingFound)) throw error;
    return undefined;
  } finally {
    progress.stop();
  }
}

type Records = ReturnType<typeof importRecords>;

function* accounted(records: Records, account: ImportAccount): Records {
  for (const record of records) {
    if (record.kind === "refused") account.refused[record.reason] = (account.refused[record.reason] ?? 0) + 1;
    else {
      if (record.kind === "span") account.spans++;
      else account.events++;
      if (record.isCut) account.cut++;
    }
    yield record;
  }
}

/** Returns how many there were. */
function fill(journal: Journal, kind: Kind, records: Records): number {
  const acceptedAtMs = Date.now();
  let taken = 0;
  let step: Buffer[] = [];
  let bytes = 0;
  const write = (): void => {
    if (step.length > 0) journal.insertPayloads(step, acceptedAtMs);
    taken += step.length;
    step = [];
    bytes = 0;
  };
  for (const record of records) {
    if (record.kind !== kind) continue;
    step.push(record.payload);
    bytes += record.payload.length;
    if (step.length === stepRecords || bytes >= stepBytes) write();
  }
  write();
  return taken;
}
