import { type Command, Option } from "commander";
import { identityOf, isStoredEvent, storedObject } from "../../buffer/stored-identity.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { wholeNumberWithin } from "../number-argument.ts";
import { directoryOf, type JournalFlags, journalCommand, note, print, told } from "./journal-command.ts";
import { leftBeside, placesIn, type Row, rowsOf } from "./places.ts";
import { plain, table } from "./table.ts";
import { counted, duration, size } from "../quantities.ts";
import { unreadableNotes } from "./unreadable.ts";

interface ListFlags extends JournalFlags {
  limit: number;
  sort: SortKey;
}

/** What waits of one trace. */
export interface WaitingTrace {
  /** Empty: the records say none. */
  traceId: string;
  /** Of its root span, if that waits too. */
  name?: string;
  spans: number;
  /** Scores, and events of old SDKs. */
  events: number;
  bytes: number;
  oldestAtMs: number;
  journals: string[];
}

/** Which come first. */
const orders = {
  age: (a, b) => a.oldestAtMs - b.oldestAtMs,
  spans: (a, b) => b.spans + b.events - (a.spans + a.events),
  bytes: (a, b) => b.bytes - a.bytes,
  name: (a, b) => (a.name ?? "").localeCompare(b.name ?? ""),
} as const satisfies Record<string, (a: WaitingTrace, b: WaitingTrace) => number>;
type SortKey = keyof typeof orders;

const besideText =
  "not shown is what killed processes left beside their journals, which the next start or drain takes in";

export function listCommand(): Command {
  return journalCommand({
    name: "list",
    description: "what waits for Langfuse, by trace; beside a running bot too",
    examples: [
      ["list", "the traces that wait longest"],
      ["list --sort bytes --limit 5", "the five largest"],
      ["list --json | jq .total", "how much waits in all"],
    ],
  })
    .option("--limit <number>", "traces shown", wholeNumberWithin(1, 1_000_000), 20)
    .addOption(
      new Option("--sort <key>", "what comes first").choices(Object.keys(orders)).default("age", "age, the oldest"),
    )
    .action(told(list));
}

function list(flags: ListFlags): ExitCode {
  const directory = directoryOf(flags);
  const { unreadable, onUnreadable } = unreadableNotes();
  const traces = tracesOf(rowsOf(placesIn(directory), onUnreadable));
  const shown = traces.toSorted(orders[flags.sort]).slice(0, flags.limit);
  const total = {
    traces: traces.length,
    spans: sumOf(traces, "spans"),
    events: sumOf(traces, "events"),
    bytes: sumOf(traces, "bytes"),
  };
  const beside = leftBeside(directory);
  if (beside.length > 0) note(`${besideText}: ${beside.join(", ")}`);
  print(flags, { directory, total, traces: shown, unreadable, beside }, () => {
    const { spans, events, bytes } = total;
    if (traces.length === 0) return `nothing waits in ${directory}`;
    const sum = `${counted(spans, "span")} and ${counted(events, "event")} of ${counted(traces.length, "trace")}`;
    const hidden = traces.length - shown.length;
    const more = hidden === 0 ? "" : `; ${counted(hidden, "trace")} not shown (--limit)`;
    return `${tableOf(shown)}\n\n${sum} wait in ${directory}, ${size(bytes)}${more}`;
  });
  return unreadable.length > 0 ? exitCodes.damaged : exitCodes.ok;
}

function tracesOf(rows: Iterable<Row>): WaitingTrace[] {
  const traces = new Map<string, WaitingTrace>();
  for (const { place, payload, acceptedAtMs } of rows) {
    const stored = storedObject(payload) ?? {};
    const { traceId, name } = identityOf(stored);
    let trace = traces.get(traceId);
    if (trace === undefined) {
      trace = { traceId, spans: 0, events: 0, bytes: 0, oldestAtMs: acceptedAtMs, journals: [] };
      traces.set(traceId, trace);
    }
    const isEvent = isStoredEvent(stored);
    if (isEvent) trace.events++;
    else trace.spans++;
    if (!isEvent && stored.parentSpanId === undefined) trace.name = name;
    trace.bytes += payload.length;
    trace.oldestAtMs = Math.min(trace.oldestAtMs, acceptedAtMs);
    if (!trace.journals.includes(place.label)) trace.journals.push(place.label);
  }
  return [...traces.values()];
}

function sumOf(traces: readonly WaitingTrace[], field: "spans" | "events" | "bytes"): number {
  return traces.reduce((sum, trace) => sum + trace[field], 0);
}

function tableOf(traces: readonly WaitingTrace[]): string {
  const nowMs = Date.now();
  const rows = traces.map(({ traceId, name, spans, events, bytes, oldestAtMs, journals }) => [
    traceId === "" ? "(none)" : plain(traceId),
    plain(name ?? "(root not here)", 40),
    String(spans),
    String(events),
    size(bytes),
    duration(nowMs - oldestAtMs),
    journals.join(", "),
  ]);
  return table(["TRACE", "NAME", "SPANS", "EVENTS", "BYTES", "AGE", "JOURNAL"], rows, [
    "SPANS",
    "EVENTS",
    "BYTES",
    "AGE",
  ]);
}
