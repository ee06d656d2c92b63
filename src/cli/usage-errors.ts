import process from "node:process";
import type { Command } from "commander";
import { exitCodes } from "./exit-codes.ts";

/** Has a command, and all below it, end with the code for a command line that is not understood, and say what helps. */
export function withUsageErrors(command: Command, path: string = command.name()): void {
  command
    .showHelpAfterError(`(${path} --help shows what there is)`)
    .configureOutput({ outputError: (text, write) => write(withoutValue(text)) })
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? exitCodes.ok : exitCodes.usage));
  for (const each of command.commands) withUsageErrors(each, `${path} ${each.name()}`);
}

/** `unknown option '--secretkey=sk-lf-…'`: commander shows the value too, and it may be a key. */
function withoutValue(message: string): string {
  return message.replace(/(unknown option '[^'=]*)=[^\n]*'/, "$1'");
}
