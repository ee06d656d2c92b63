import { existsSync } from "node:fs";
import process from "node:process";
import { Command } from "commander";
import { directoryOf } from "../directory.ts";
import { numberWithin } from "../number-argument.ts";
import { survey } from "../survey.ts";
import { figuresOf, type StatusFigures } from "./figures.ts";
import { statusLines, totalLine } from "./lines.ts";
import { type Rates, ratesBetween } from "./rates.ts";

interface StatusFlags {
  directory?: string;
  watch?: boolean;
  interval: number;
  json?: boolean;
}

const defaultIntervalSeconds = 2;

export function statusCommand(): Command {
  return new Command("status")
    .description("what waits in the journals of a directory, whose it is, and since when; harmless beside a living bot")
    .option("--directory <directory>", "of the journals (default: SPAN_BUFFER_DIRECTORY, or the per-user state folder)")
    .option("--watch", "look again and again, with rates, until it is interrupted")
    .option("--interval <seconds>", "between two looks of --watch", numberWithin(0.1, 3_600), defaultIntervalSeconds)
    .option("--json", "one JSON object for each look, on a line of its own")
    .addHelpText(
      "after",
      `
Examples:
  span-buffer status                               what waits in the default directory
  span-buffer status --directory /var/lib/bot      … of a service
  span-buffer status --watch                       a table that renews itself, with spans in and out a second
  span-buffer status --json | jq .totals.waiting   for a script`,
    )
    .action(runStatus);
}

async function runStatus({ directory: flag, watch, interval, json }: StatusFlags): Promise<void> {
  const directory = directoryOf(flag, process.env);
  const show =
    json === true ? showJson : watch === true && process.stdout.isTTY ? redrawn() : showLines(watch === true);
  let before: StatusFigures | undefined;
  do {
    const figures = look(directory);
    show(figures, ratesBetween(before, figures));
    before = figures;
    if (watch === true) await new Promise((resolve) => setTimeout(resolve, interval * 1_000));
  } while (watch === true);
}

/** @throws Error that says what to do when there is no such directory, or it cannot be read. */
function look(directory: string): StatusFigures {
  if (!existsSync(directory)) {
    throw new Error(
      `there is no directory ${directory}: no buffer has kept anything there; name the bot's with --directory or SPAN_BUFFER_DIRECTORY`,
    );
  }
  return figuresOf(survey(directory, { isChecked: false }), Date.now());
}

type Show = (figures: StatusFigures, rates: Rates | undefined) => void;

function showJson(figures: StatusFigures, rates: Rates | undefined): void {
  process.stdout.write(`${JSON.stringify({ ...figures, rates: rates ?? null })}\n`);
}

/** Where nothing can be drawn again, a look that follows another is one line. */
function showLines(isWatching: boolean): Show {
  return (figures, rates) => {
    const lines = isWatching
      ? [`${new Date(figures.atMs).toISOString()} ${totalLine(figures, rates)}`]
      : statusLines(figures, rates);
    process.stdout.write(`${lines.join("\n")}\n`);
  };
}

/** Each look in the place of the one before; of a table that is higher than the terminal only the sums. */
function redrawn(): Show {
  let drawn = 0;
  return (figures, rates) => {
    // Lines that the terminal breaks would not be counted.
    const all = statusLines(figures, rates);
    const lines = (all.length < process.stdout.rows ? all : [totalLine(figures, rates)]).map((line) =>
      line.slice(0, process.stdout.columns),
    );
    const back = drawn === 0 ? "" : `\u001B[${drawn}A\u001B[J`;
    process.stdout.write(`${back}${lines.join("\n")}\n`);
    drawn = lines.length;
  };
}
