import type { Command } from "commander";
import type { Journal } from "../../buffer/journal.ts";
import { identityOf, storedObject } from "../../buffer/stored-identity.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { confirmed } from "./confirm.ts";
import { directoryOf, type JournalFlags, journalCommand, note, print, told } from "./journal-command.ts";
import { type Place, placesIn } from "./places.ts";
import { withJournal } from "./taken-journal.ts";
import { counted, duration } from "../quantities.ts";
import { parseAge } from "./age-argument.ts";

interface PurgeFlags extends JournalFlags {
  olderThan?: number;
  trace?: string;
  deadLetters?: boolean;
  yes?: boolean;
}

/** Removed in one transaction. */
const stepRows = 1_000;

export function purgeCommand(): Command {
  return journalCommand({
    name: "purge",
    description: "remove what waits, for good and undelivered; asks first",
    examples: [
      ["purge --older-than 30d", "what has waited for more than thirty days"],
      ["purge --trace 0af7651916cd43dd8448eb211c80319c", "the spans of one trace"],
      ["purge --dead-letters --older-than 7d --yes", "old dead letters, without a question"],
    ],
    notes:
      "Journals that a living process has in use are left alone. To keep a copy: span-buffer export, before. What a killed\n" +
      "process left in a crash log or spill file is not touched: the next start takes it.",
  })
    .option("--older-than <age>", "only what was accepted (or died) longer ago: 90s, 15m, 12h, 7d", parseAge)
    .option("--trace <id>", "only this trace")
    .option("--dead-letters", "dead letters, in place of what waits")
    .option("--yes", "do not ask")
    .action(told(purge));
}

async function purge(flags: PurgeFlags): Promise<ExitCode> {
  const directory = directoryOf(flags);
  const places = placesIn(directory);
  const free = places.filter(({ isHeld }) => !isHeld);
  const what = flags.deadLetters === true ? "dead letters" : "spans and events";
  if (
    !(await confirmed(
      `Remove ${what} ${describe(flags)} from ${counted(free.length, "journal")} of ${directory}?`,
      flags.yes,
    ))
  ) {
    return exitCodes.failed;
  }
  const beforeMs = flags.olderThan === undefined ? Number.POSITIVE_INFINITY : Date.now() - flags.olderThan;
  const isWanted = (atMs: number, payload: Buffer): boolean =>
    atMs < beforeMs && (flags.trace === undefined || identityOf(storedObject(payload) ?? {}).traceId === flags.trace);
  let removed = 0;
  const failed: { journal: string; reason: string }[] = [];
  for (const place of free) {
    try {
      removed += withJournal(place, (journal) => {
        const count = flags.deadLetters === true ? purgeLetters(journal, isWanted) : purgeSpans(journal, isWanted);
        while (journal.space.shrink());
        return count;
      });
    } catch (error) {
      const reason = (error as Error).message;
      failed.push({ journal: place.label, reason });
      note(`${place.file}: ${reason}`);
    }
  }
  const inUse = places.filter(({ isHeld }) => isHeld);
  for (const { file } of inUse) note(`${file} is in use by a living process, and was left alone`);
  print(
    flags,
    { directory, removed, inUse: inUse.map(labelOf), failed },
    () => `${removed.toLocaleString("en")} ${what} removed`,
  );
  if (failed.length > 0) return exitCodes.failed;
  return inUse.length > 0 ? exitCodes.inUse : exitCodes.ok;
}

function describe({ olderThan, trace }: PurgeFlags): string {
  const age = olderThan === undefined ? "" : ` older than ${duration(olderThan)}`;
  const scope = trace === undefined ? "" : ` of trace ${trace}`;
  return age + scope === "" ? "(all of them)" : (age + scope).trim();
}

function labelOf({ label }: Place): string {
  return label;
}

type IsWanted = (atMs: number, payload: Buffer) => boolean;

function purgeSpans(journal: Journal, isWanted: IsWanted): number {
  let removed = 0;
  let step: number[] = [];
  const remove = (): void => {
    journal.together(() => {
      for (const id of step) removed += journal.remove(id, id);
    });
    step = [];
  };
  for (const { id, acceptedAtMs, payload } of journal.spans()) {
    if (!isWanted(acceptedAtMs, payload)) continue;
    step.push(id);
    if (step.length === stepRows) remove();
  }
  remove();
  return removed;
}

function purgeLetters(journal: Journal, isWanted: IsWanted): number {
  let removed = 0;
  let before: number | undefined;
  for (;;) {
    const page = journal.deadLetters.list(stepRows, before);
    const ids = page.filter(({ diedAtMs, payload }) => isWanted(diedAtMs, payload)).map(({ id }) => id);
    if (ids.length > 0) removed += journal.removeDeadLetters(ids, stepRows);
    if (page.length < stepRows) return removed;
    before = page.at(-1)?.id;
  }
}
