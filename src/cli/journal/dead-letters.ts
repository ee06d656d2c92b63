import { Command } from "commander";
import type { DeadLetterSelection } from "../../dead-letters.ts";
import type { DeadLetterSummary } from "../../workers/messages.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { wholeNumberWithin } from "../number-argument.ts";
import { CommandError } from "./command-error.ts";
import { confirmed } from "./confirm.ts";
import { directoryOf, type JournalFlags, journalCommand, note, print, told } from "./journal-command.ts";
import { letterBox } from "./letter-box.ts";
import { parseRowLabel, type Place, placeNamed, placesIn, rowLabel } from "./places.ts";
import { plain, table } from "./table.ts";
import { counted, size } from "../quantities.ts";
import { unreadableNotes } from "./unreadable.ts";

interface ChangeFlags extends JournalFlags {
  all?: boolean;
  yes?: boolean;
}

/** With an id that is unique in the directory: `2:17`. */
type Letter = Omit<DeadLetterSummary, "id"> & { id: string };

/** Which letters of which journal. */
interface Selected {
  place: Place;
  ids: DeadLetterSelection;
}

/** The most that one request of a page can bring. */
const pageLetters = 1_000;

const besideBot =
  "Beside a running bot all of it is safe: what the bot holds, the bot itself retries or removes when it is asked.";

export function deadLettersCommand(): Command {
  return new Command("dead-letters")
    .description("what Langfuse refused for good, with its reason: list, show, send again, remove")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(retryCommand())
    .addCommand(removeCommand());
}

function listCommand(): Command {
  return journalCommand({
    name: "list",
    description: "the dead letters, the newest first",
    examples: [
      ["dead-letters list", "the newest twenty, with Langfuse's words"],
      ["dead-letters list --limit 1000 --json", "for programs"],
    ],
  })
    .option("--limit <number>", "letters shown of each journal", wholeNumberWithin(1, pageLetters), 20)
    .action(
      told(async (flags: JournalFlags & { limit: number }) => {
        const directory = directoryOf(flags);
        const { letters, unreadable } = await listed(directory, flags.limit);
        print(flags, { directory, letters, unreadable }, () =>
          letters.length === 0 ? `no dead letters in ${directory}` : tableOf(letters),
        );
        return unreadable.length > 0 ? exitCodes.damaged : exitCodes.ok;
      }),
    );
}

function showCommand(): Command {
  return journalCommand({
    name: "show",
    description: "one dead letter with its span",
    examples: [["dead-letters show 1:17", "letter 17 of journal-1.sqlite"]],
  })
    .argument("<id>", "as the list shows it")
    .action(
      told(async (id: string, flags: JournalFlags) => {
        const { place, row } = located(id, placesIn(directoryOf(flags)));
        const detail = await letterBox(place).get(row);
        if (detail === undefined) throw new CommandError(`there is no dead letter ${id}`);
        const { span, ...summary } = detail;
        const letter = labelled(place, summary);
        print(flags, { ...letter, span }, () => `${describe(letter)}\n\n${JSON.stringify(span, undefined, 2)}`);
        return exitCodes.ok;
      }),
    );
}

function retryCommand(): Command {
  return changeCommand("retry", "put dead letters back among what waits, to be sent again", [
    ["dead-letters retry 1:17 1:18", "these two"],
    ["dead-letters retry --all", "all, after what Langfuse disliked has been mended"],
  ]).action(
    told(async (ids: string[], flags: ChangeFlags) => {
      const selection = selected(ids, flags);
      return await change(
        "retry",
        selection,
        flags,
        "sent again by the bot that runs, the next one, or span-buffer drain",
      );
    }),
  );
}

function removeCommand(): Command {
  return changeCommand("remove", "remove dead letters for good; asks first", [
    ["dead-letters remove 1:17", "this one, after a question"],
    ["dead-letters remove --all --yes", "all, without"],
  ]).action(
    told(async (ids: string[], flags: ChangeFlags) => {
      const selection = selected(ids, flags);
      const what = flags.all === true ? "all dead letters" : counted(ids.length, "dead letter");
      if (!(await confirmed(`Remove ${what} for good?`, flags.yes))) return exitCodes.failed;
      return await change("remove", selection, flags, "gone");
    }),
  );
}

function changeCommand(
  name: "retry" | "remove",
  description: string,
  examples: readonly (readonly [string, string])[],
): Command {
  return journalCommand({ name, description, examples, notes: besideBot })
    .argument("[ids...]", "as the list shows them")
    .option("--all", "every one of the directory")
    .option("--yes", "do not ask");
}

async function listed(
  directory: string,
  limit: number,
): Promise<{ letters: Letter[]; unreadable: ReturnType<typeof unreadableNotes>["unreadable"] }> {
  const { unreadable, onUnreadable } = unreadableNotes();
  const letters: Letter[] = [];
  for (const place of placesIn(directory)) {
    if (place.trouble !== undefined) onUnreadable(place, place.trouble.reason);
    else if (place.deadLetters.length > 0) {
      const found = await letterBox(place).list({ limit });
      letters.push(...found.letters.map((letter) => labelled(place, letter)));
    }
  }
  letters.sort((a, b) => b.diedAtMs - a.diedAtMs);
  return { letters, unreadable };
}

function labelled(place: Place, letter: DeadLetterSummary): Letter {
  return { ...letter, id: rowLabel(place, letter.id) };
}

function located(id: string, places: readonly Place[]): { place: Place; row: number } {
  const named = parseRowLabel(id);
  if (named === undefined || named.id < 1) {
    throw new CommandError(`${plain(id)} is no id of a dead letter: 1:17 is one, as the list shows`, exitCodes.usage);
  }
  return { place: placeNamed(places, named.label), row: named.id };
}

/** @throws CommandError for ids that are none, and for neither ids nor `--all`. */
function selected(ids: readonly string[], flags: ChangeFlags): Selected[] {
  if (ids.length > 0 === (flags.all === true)) {
    throw new CommandError(
      "name the dead letters (dead-letters list shows their ids), or all by --all",
      exitCodes.usage,
    );
  }
  const places = placesIn(directoryOf(flags));
  if (flags.all === true) {
    return places.filter(({ deadLetters }) => deadLetters.length > 0).map((place) => ({ place, ids: "all" }));
  }
  const byPlace = Map.groupBy(
    ids.map((id) => located(id, places)),
    ({ place }) => place,
  );
  return [...byPlace].map(([place, rows]) => ({ place, ids: rows.map(({ row }) => row) }));
}

/** Does it journal by journal; one that cannot be had does not keep the others from it. */
async function change(
  name: "retry" | "remove",
  selection: readonly Selected[],
  flags: ChangeFlags,
  fate: string,
): Promise<ExitCode> {
  let count = 0;
  const failed: { journal: string; reason: string }[] = [];
  for (const { place, ids } of selection) {
    try {
      count += await letterBox(place)[name](ids);
    } catch (error) {
      const reason = (error as Error).message;
      failed.push({ journal: place.label, reason });
      note(`${place.file}: ${reason}`);
    }
  }
  print(flags, { [name]: count, failed }, () => `${counted(count, "dead letter")}: ${fate}`);
  return failed.length > 0 ? exitCodes.failed : exitCodes.ok;
}

function tableOf(letters: readonly Letter[]): string {
  const rows = letters.map(({ id, diedAtMs, status, name, traceId, bytes, reason }) => [
    id,
    new Date(diedAtMs).toISOString(),
    status === undefined ? "–" : String(status),
    plain(name, 30),
    plain(traceId),
    size(bytes),
    plain(reason, 100),
  ]);
  return table(["ID", "DIED", "STATUS", "NAME", "TRACE", "BYTES", "REASON"], rows, ["BYTES"]);
}

function describe({ id, diedAtMs, acceptedAtMs, status, reason }: Letter): string {
  const answer = status === undefined ? "without an answer" : `answer ${status}`;
  return `${id}: accepted ${new Date(acceptedAtMs).toISOString()}, refused ${new Date(diedAtMs).toISOString()}, ${answer}\n${plain(reason, 2_000)}`;
}
