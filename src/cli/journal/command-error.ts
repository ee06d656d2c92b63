import { type ExitCode, exitCodes } from "../exit-codes.ts";

/** Ends a command: what is wrong and what to do, in one line for people. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
