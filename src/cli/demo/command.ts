import process from "node:process";
import { Command, Option } from "commander";
import { wholeNumberWithin } from "../number-argument.ts";
import { runDemo } from "./demo.ts";

export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "a fleet of voice bots, an outage, a crash and a poison span, and the account of what arrived (under 60 s)",
    )
    .option("--json", "print the account as one JSON object on the last line")
    .addOption(
      new Option("--conversations <number>", "conversations at once")
        .default(60)
        .argParser(wholeNumberWithin(1, 1_000)),
    )
    .action(async (options: { json?: boolean; conversations: number }) => {
      process.exitCode = await runDemo({ json: options.json === true, conversations: options.conversations });
    });
}
