import process from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import { counted } from "../quantities.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { numberWithin } from "../number-argument.ts";
import type { FindingStatus } from "./findings.ts";
import { examine, type StepReport } from "./steps.ts";

interface DoctorFlags {
  directory?: string;
  send: boolean;
  timeout: number;
  json?: boolean;
}

const defaultTimeoutSeconds = 10;

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("why does nothing arrive? Looks at settings, disk, journals, network, keys; then sends a test trace")
    .option("--directory <directory>", "of the journals (default: SPAN_BUFFER_DIRECTORY, or the per-user state folder)")
    .option("--no-send", "send no test trace")
    .option("--timeout <seconds>", "for each step that asks the network", numberWithin(0.1, 600), defaultTimeoutSeconds)
    .option("--json", "print one JSON object with all steps")
    .addHelpText(
      "after",
      `
It sees what a bot would see that is started in the same place by the same user: run it there, with the same
environment. It may run beside a living bot. Keys are never shown.

Examples:
  span-buffer doctor                                       everything
  span-buffer doctor --no-send                             … but leave no trace in Langfuse
  LANGFUSE_BASE_URL=http://localhost:3000 span-buffer doctor
  sudo -u bot span-buffer doctor --directory /var/lib/bot  as a service's user
  span-buffer doctor --json | jq '.steps[] | select(.status == "failed")'

Exit codes: ${exitCodes.ok} nothing has failed, ${exitCodes.unhealthy} something has, ${exitCodes.usage} for a wrong command line.`,
    )
    .action(async (flags: DoctorFlags) => {
      process.exitCode = await runDoctor(flags);
    });
}

async function runDoctor({ directory, send, timeout, json }: DoctorFlags): Promise<ExitCode> {
  const options = { directory, env: process.env, timeoutMs: timeout * 1_000, isSending: send };
  const steps = await examine(options, (report) => {
    if (json !== true) process.stdout.write(`${linesOf(report).join("\n")}\n`);
  });
  const failures = steps.filter(({ status }) => status === "failed").length;
  const isOk = failures === 0;
  if (json === true) process.stdout.write(`${JSON.stringify({ ok: isOk, steps }, null, 2)}\n`);
  else process.stdout.write(isOk ? "\nNothing has failed.\n" : `\n${counted(failures, "step")} failed.\n`);
  return isOk ? exitCodes.ok : exitCodes.unhealthy;
}

const words: Readonly<Record<FindingStatus, string>> = {
  ok: pc.green("ok     "),
  note: pc.yellow("note   "),
  failed: pc.red("FAILED "),
  skipped: pc.dim("skipped"),
};

const statusWidth = 7;
const titleWidth = 10;

function linesOf({ status, step, message, remedy }: StepReport): string[] {
  const indent = " ".repeat(statusWidth + titleWidth + 2);
  const [first = "", ...more] = message.split("\n");
  return [
    `${words[status]} ${step.padEnd(titleWidth)} ${first}`,
    ...more.map((line) => indent + line),
    ...(remedy === undefined ? [] : [`${indent}→ ${remedy}`]),
  ];
}
