/** What `doctor` finds in an environment of the test's own; nothing of the machine's comes in. */
import { onTestFinished } from "vitest";
import { examine, type StepReport } from "../../src/cli/doctor/steps.ts";
import { startProgram } from "../support/programs.ts";
import { standInKeys } from "../support/sidecars.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

export interface Examined {
  steps: StepReport[];
  of: (step: string) => StepReport;
  /** `step: cause` of each that failed. */
  failed: string[];
  /** The same of each note. */
  notes: string[];
}

/** The stand-in's keys and a directory of its own, unless `env` says something else; undefined unsets. */
export function environmentOf(env: Record<string, string | undefined>): Record<string, string> {
  const all = {
    LANGFUSE_PUBLIC_KEY: standInKeys.publicKey,
    LANGFUSE_SECRET_KEY: standInKeys.secretKey,
    SPAN_BUFFER_DIRECTORY: env["SPAN_BUFFER_DIRECTORY"] ?? temporaryDirectory(),
    ...env,
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** In this process. */
export async function examined(
  env: Record<string, string | undefined>,
  { timeoutMs = 2_000, isSending = false }: { timeoutMs?: number; isSending?: boolean } = {},
): Promise<Examined> {
  return resultOf(await examine({ env: environmentOf(env), timeoutMs, isSending }));
}

/** As a command in a process of its own, for what is decided when a process starts. */
export async function examinedByCommand(
  env: Record<string, string | undefined>,
  args: readonly string[] = ["--no-send", "--timeout", "5"],
): Promise<Examined & { code: number | null; stderr: string }> {
  const { ended } = startProgram("../../src/cli/main.ts", ["doctor", "--json", ...args], { env: environmentOf(env) });
  const { code, stdout, stderr } = await ended;
  const { steps } = JSON.parse(stdout) as { steps: StepReport[] };
  return { ...resultOf(steps), code, stderr };
}

function resultOf(steps: StepReport[]): Examined {
  const withStatus = (status: string): string[] =>
    steps.filter((step) => step.status === status).map(({ step, cause }) => `${step}: ${cause}`);
  return {
    steps,
    of(name) {
      const found = steps.find(({ step }) => step === name);
      if (found === undefined) throw new Error(`no step ${name}`);
      return found;
    },
    failed: withStatus("failed"),
    notes: withStatus("note"),
  };
}

/** Runs with the rights of nobody if this is root, who may write everywhere. */
export function withoutRights(): void {
  const { geteuid, seteuid } = process;
  if (geteuid?.() !== 0 || seteuid === undefined) return;
  seteuid(65_534);
  onTestFinished(() => seteuid(0));
}
