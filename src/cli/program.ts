import process from "node:process";
import { Command } from "commander";
import { completionCommand } from "./completion/command.ts";
import { demoCommand } from "./demo/command.ts";
import { doctorCommand } from "./doctor/command.ts";
import { exitCodes } from "./exit-codes.ts";
import { deadLettersCommand } from "./journal/dead-letters.ts";
import { drainCommand } from "./journal/drain.ts";
import { exportCommand } from "./journal/export.ts";
import { importCommand } from "./journal/import.ts";
import { listCommand } from "./journal/list.ts";
import { purgeCommand } from "./journal/purge.ts";
import { repairCommand } from "./journal/repair.ts";
import { showCommand } from "./journal/show.ts";
import { verifyCommand } from "./journal/verify.ts";
import { serveCommand } from "./serve/command.ts";
import { standInCommand } from "./stand-in-command.ts";
import { statusCommand } from "./status/command.ts";
import { withUsageErrors } from "./usage-errors.ts";

/** All commands, in the order of `--help`. */
export function spanBufferCommand(): Command {
  const program = new Command("span-buffer")
    .description("Telemetry buffer for LLM and voice bots: spans reach Langfuse through outages, crashes and restarts.")
    .addHelpText("after", "\nSomething does not arrive? Begin with: span-buffer doctor");
  program.addCommand(doctorCommand());
  program.addCommand(statusCommand());
  program.addCommand(listCommand());
  program.addCommand(showCommand());
  program.addCommand(drainCommand());
  program.addCommand(deadLettersCommand());
  program.addCommand(exportCommand());
  program.addCommand(importCommand());
  program.addCommand(verifyCommand());
  program.addCommand(repairCommand());
  program.addCommand(purgeCommand());
  program.addCommand(serveCommand());
  program.addCommand(standInCommand());
  program.addCommand(demoCommand());
  program.addCommand(completionCommand(program));
  withUsageErrors(program);
  return program;
}

/** Runs one command line; sets the exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  // `span-buffer status | head` closes the pipe: that is no error.
  process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
    process.exit(code === "EPIPE" ? exitCodes.ok : exitCodes.failed);
  });
  try {
    await spanBufferCommand().parseAsync(argv);
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n`);
    process.exitCode = exitCodes.failed;
  }
}
