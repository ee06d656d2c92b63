import { createWriteStream } from "node:fs";
import process from "node:process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Command, Option } from "commander";
import { identityOf, isStoredEvent, storedObject } from "../../buffer/stored-identity.ts";
import type { SpanPayload } from "../../buffer/span-payload.ts";
import { type EnvelopedSpan, envelopedSpan, otlpRequest } from "../../export/otlp.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { CommandError } from "./command-error.ts";
import { directoryOf, type JournalFlags, journalCommand, note, print, told } from "./journal-command.ts";
import { placesIn, type Row, rowLabel, rowsOf } from "./places.ts";
import { Progress } from "./progress.ts";
import { counted } from "../quantities.ts";
import { unreadableNotes } from "./unreadable.ts";

interface ExportFlags extends JournalFlags {
  format: Format;
  output?: string;
  trace?: string;
}

interface ExportAccount {
  spans: number;
  events: number;
  /** What the format cannot hold, with the reason. */
  leftOut: { id: string; reason: string }[];
}

/** Spans in one line of OTLP. */
const requestSpans = 500;

/** From rows to lines. What a line cannot be made of is noted in the account. */
type Formatter = (rows: Iterable<Row>, account: ExportAccount) => Generator<string>;

const formats = { jsonl: asStored, "otlp-json": asOtlp } as const satisfies Record<string, Formatter>;
type Format = keyof typeof formats;

export function exportCommand(): Command {
  return journalCommand({
    name: "export",
    description: "write what waits to a file; it stays in the journal; beside a running bot too",
    examples: [
      ["export --output waiting.jsonl", "all that waits, for span-buffer import elsewhere"],
      ["export --format otlp-json --output spans.json", "for an OpenTelemetry Collector's otlpjsonfile receiver"],
      ["export --trace 0af7651916cd43dd8448eb211c80319c", "one trace to stdout"],
    ],
    notes:
      "jsonl has a line for each span or event, as it is stored; otlp-json has requests of OTLP, as the Collector's file\n" +
      "exporter writes them, without events. The file holds what the spans hold: only its owner may read it.",
  })
    .addOption(new Option("--format <format>", "of the lines").choices(Object.keys(formats)).default("jsonl"))
    .option("--output <file>", "must not be there yet (default: stdout)")
    .option("--trace <id>", "only this trace")
    .action(told(exportWaiting));
}

async function exportWaiting(flags: ExportFlags): Promise<ExitCode> {
  const { output, trace } = flags;
  const places = placesIn(directoryOf(flags));
  const { unreadable, onUnreadable } = unreadableNotes();
  const account: ExportAccount = { spans: 0, events: 0, leftOut: [] };
  const progress = new Progress(
    "records",
    places.reduce((sum, { waiting }) => sum + waiting, 0),
  );
  const rows = wanted(rowsOf(places, onUnreadable), trace, progress);
  try {
    await write(formats[flags.format](rows, account), output);
  } finally {
    progress.stop();
  }
  for (const { id, reason } of account.leftOut.slice(0, 10)) note(`${id} is left out: ${reason}`);
  const { spans, events, leftOut } = account;
  const summary = `${counted(spans, "span")} and ${counted(events, "event")} written, ${leftOut.length} left out`;
  if (output === undefined) note(summary);
  else print(flags, { output, ...account, unreadable }, () => `${summary}: ${output}`);
  return unreadable.length > 0 ? exitCodes.damaged : leftOut.length > 0 ? exitCodes.undelivered : exitCodes.ok;
}

function* wanted(rows: Iterable<Row>, trace: string | undefined, progress: Progress): Generator<Row> {
  let done = 0;
  for (const row of rows) {
    if (trace === undefined || isOfTrace(row.payload, trace)) yield row;
    progress.update(++done);
  }
}

function isOfTrace(payload: Buffer, trace: string): boolean {
  return payload.includes(trace) && identityOf(storedObject(payload) ?? {}).traceId === trace;
}

async function write(lines: Generator<string>, output: string | undefined): Promise<void> {
  if (output === undefined) {
    await pipeline(Readable.from(lines), process.stdout, { end: false });
    return;
  }
  try {
    await pipeline(Readable.from(lines), createWriteStream(output, { flags: "wx", mode: 0o600 }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new CommandError(`${output} is there already: name another file, or remove it`, exitCodes.usage);
  }
}

/** The very text that is stored. */
function* asStored(rows: Iterable<Row>, account: ExportAccount): Generator<string> {
  for (const { place, id, payload } of rows) {
    const stored = storedObject(payload);
    if (stored === undefined) {
      account.leftOut.push({ id: rowLabel(place, id), reason: "it is no JSON object" });
      continue;
    }
    if (isStoredEvent(stored)) account.events++;
    else account.spans++;
    const text = payload.toString();
    // Ours never has line breaks; JSON may.
    yield `${text.includes("\n") ? JSON.stringify(stored) : text}\n`;
  }
}

function* asOtlp(rows: Iterable<Row>, account: ExportAccount): Generator<string> {
  let spans: EnvelopedSpan[] = [];
  for (const { place, id, payload } of rows) {
    try {
      spans.push(otlpSpanOf(payload));
      account.spans++;
    } catch (error) {
      account.leftOut.push({ id: rowLabel(place, id), reason: (error as Error).message });
    }
    if (spans.length < requestSpans) continue;
    yield `${JSON.stringify(otlpRequest(spans))}\n`;
    spans = [];
  }
  if (spans.length > 0) yield `${JSON.stringify(otlpRequest(spans))}\n`;
}

/** @throws when OTLP has no place for it. */
function otlpSpanOf(payload: Buffer): EnvelopedSpan {
  const stored = storedObject(payload);
  if (stored === undefined) throw new Error("it is no JSON object");
  if (isStoredEvent(stored)) throw new Error("OTLP has no place for scores and events: use --format jsonl");
  return envelopedSpan(stored as SpanPayload);
}
