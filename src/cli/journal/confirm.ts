import process from "node:process";
import { createInterface } from "node:readline/promises";
import { exitCodes } from "../exit-codes.ts";
import { CommandError } from "./command-error.ts";

/**
 * Asks before something is removed for good. Returns whether it may be.
 *
 * @throws CommandError when nobody can be asked.
 */
export async function confirmed(question: string, isSure: boolean | undefined): Promise<boolean> {
  if (isSure === true) return true;
  if (!process.stdin.isTTY) {
    throw new CommandError(`${question} Nobody can be asked here: repeat with --yes`, exitCodes.usage);
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}
