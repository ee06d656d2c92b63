import process from "node:process";
import { Command } from "commander";
import { directoryOf as directoryNamed } from "../directory.ts";
import type { ExitCode } from "../exit-codes.ts";
import { CommandError } from "./command-error.ts";

/** What every command about journals has. */
export interface JournalFlags {
  directory?: string;
  json?: boolean;
}

export interface JournalCommandSetup {
  name: string;
  description: string;
  /** Command lines, each with what it does. */
  examples: readonly (readonly [commandLine: string, what: string])[];
  /** Further lines of the help. */
  notes?: string;
}

/** A command with the flags `--directory` and `--json`, and examples in its help. */
export function journalCommand({ name, description, examples, notes }: JournalCommandSetup): Command {
  const width = Math.max(...examples.map(([commandLine]) => commandLine.length));
  const lines = examples.map(([commandLine, what]) => `  span-buffer ${commandLine.padEnd(width)}   ${what}`);
  return new Command(name)
    .description(description)
    .option("--directory <directory>", "of the journals (default: SPAN_BUFFER_DIRECTORY, or the per-user state folder)")
    .option("--json", "print the result as one JSON object")
    .addHelpText("after", `\nExamples:\n${lines.join("\n")}${notes === undefined ? "" : `\n\n${notes}`}`);
}

/** Where the command is to look. */
export function directoryOf({ directory }: JournalFlags): string {
  return directoryNamed(directory, process.env);
}

/** Runs a command's action; what it throws is said on stderr, and its result is the exit code. */
export function told<Values extends unknown[]>(
  action: (...values: Values) => ExitCode | Promise<ExitCode>,
): (...values: Values) => Promise<void> {
  return async (...values) => {
    try {
      process.exitCode = await action(...values);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      process.stderr.write(`error: ${error.message}\n`);
      process.exitCode = error.exitCode;
    }
  };
}

/** The result, for programs or for people. */
export function print(flags: JournalFlags, result: unknown, text: () => string): void {
  process.stdout.write(`${flags.json === true ? JSON.stringify(result) : text()}\n`);
}

/** Something on the way, for people. */
export function note(message: string): void {
  process.stderr.write(`${message}\n`);
}
