import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import { type ResolvedOptions, resolveOptions } from "../../options.ts";
import type { Log } from "../../server/context.ts";
import { RunningProject } from "../../server/running-project.ts";
import type { SpanBufferStats } from "../../stats.ts";
import type { AuthCheckResult } from "../../workers/messages.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { numberWithin } from "../number-argument.ts";
import { CommandError } from "./command-error.ts";
import { DrainWatch } from "./drain-look.ts";
import { directoryOf, type JournalFlags, journalCommand, note, print, told } from "./journal-command.ts";
import { describeOwner, type Place } from "./places.ts";
import { Progress } from "./progress.ts";
import { counted } from "../quantities.ts";

interface DrainFlags extends JournalFlags {
  timeout?: number;
}

interface DrainAccount {
  acknowledged: number;
  deadLettered: number;
  dropped: number;
}

/** One look at how far it has come. */
const lookEveryMs = 500;

/** Without a terminal a line so often. */
const lineEveryMs = 10_000;

export function drainCommand(): Command {
  return journalCommand({
    name: "drain",
    description: "deliver what waits in a directory without the bot, and end when nothing is left",
    examples: [
      ["drain", "with the keys of the environment, until all is delivered"],
      ["drain --directory /var/lib/bot/spans --timeout 60", "at most a minute; what is left stays in the journal"],
    ],
    notes:
      "Keys and host come from LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY and LANGFUSE_BASE_URL. Spans, scores and events\n" +
      "that the sidecar holds for old SDKs are all delivered. Journals of living processes are left to them; those of other\n" +
      "projects are named: run it once with the keys of each.",
  })
    .option("--timeout <seconds>", "give up after (default: never)", numberWithin(0.1, 1_000_000))
    .action(told(drain));
}

async function drain(flags: DrainFlags): Promise<ExitCode> {
  const directory = directoryOf(flags);
  const options = resolveOptions({ directory });
  const { baseUrl, publicKey, secretKey } = options;
  if (publicKey === undefined || secretKey === undefined) {
    const text = "no keys: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY (and LANGFUSE_BASE_URL) to those of the bot";
    throw new CommandError(text, exitCodes.usage);
  }
  const watch = new DrainWatch(directory, { baseUrl, publicKey });
  const startedAtMs = performance.now();
  const account = watch.isAnythingThere(options.crashLogDirectory)
    ? await deliver(watch, options, flags.timeout)
    : { acknowledged: 0, deadLettered: 0, dropped: 0 };
  const seconds = (performance.now() - startedAtMs) / 1_000;
  const { inUse, others } = watch.look();
  const left = watch.waiting();
  nameTheRest(inUse, others);
  const result = {
    directory,
    ...account,
    left,
    seconds: Number(seconds.toFixed(3)),
    inUse: inUse.map(rest),
    otherProjects: others.map(rest),
  };
  print(flags, result, () => describe(account, left, seconds, directory));
  return left > 0 ? exitCodes.undelivered : exitCodes.ok;
}

/** Is what a bot of this project does at its start, without a bot. */
async function deliver(
  watch: DrainWatch,
  options: ResolvedOptions,
  timeoutSeconds = Number.POSITIVE_INFINITY,
): Promise<DrainAccount> {
  const deadlineMs = performance.now() + timeoutSeconds * 1_000;
  const progress = new Progress("records", watch.waiting());
  const project = new RunningProject("drain", options, log);
  try {
    // Beside the delivery: a server that hangs must not cost the time for it.
    let refusal: AuthCheckResult | undefined;
    void refusalOf(project).then((result) => (refusal = result));
    let lineAtMs = performance.now() + lineEveryMs;
    for (;;) {
      if (refusal !== undefined) heed(refusal);
      refusal = undefined;
      const limitMs = Math.max(1, Math.min(lookEveryMs, deadlineMs - performance.now()));
      const flushed = await Promise.all(project.pipelines().map(({ pipeline }) => pipeline.flush(limitMs)));
      const left = Math.max(watch.waiting(), ...flushed.map(({ pending }) => pending));
      const done = settledCount(accountOf(project));
      progress.update(done, done + left);
      const isAllFlushed = flushed.every(({ timedOut }) => !timedOut);
      if ((isAllFlushed && left === 0) || performance.now() >= deadlineMs) break;
      if (isAllFlushed) await pause(limitMs);
      if (performance.now() < lineAtMs || progress.isShown) continue;
      lineAtMs = performance.now() + lineEveryMs;
      note(`${done} delivered, ${left} left, ${progress.rate(done)} a second`);
    }
  } finally {
    await project.shutdown(options.shutdownTimeoutMs);
    progress.stop();
  }
  return accountOf(project);
}

/** What Langfuse says against these keys; undefined: nothing. Never rejects. */
async function refusalOf(project: RunningProject): Promise<AuthCheckResult | undefined> {
  const [spans] = project.pipelines();
  const result = await spans?.pipeline.authCheck();
  return result?.ok === false ? result : undefined;
}

/** @throws CommandError for keys that will never do; a server that is away may come back. */
function heed({ cause, reason }: AuthCheckResult): void {
  if (cause !== "unreachable" && cause !== "server-error")
    throw new CommandError(`nothing can be delivered: ${reason}`);
  note(`${reason}; it is tried again`);
}

function accountOf(project: RunningProject): DrainAccount {
  const all = project.pipelines().map(({ pipeline }) => pipeline.stats());
  const sum = (figure: (stats: SpanBufferStats) => number): number =>
    all.reduce((total, each) => total + figure(each), 0);
  return {
    acknowledged: sum(({ acknowledged }) => acknowledged),
    deadLettered: sum(({ deadLettered }) => deadLettered),
    dropped: sum(({ dropped }) => Object.values(dropped).reduce((total, count) => total + count, 0)),
  };
}

function settledCount({ acknowledged, deadLettered, dropped }: DrainAccount): number {
  return acknowledged + deadLettered + dropped;
}

/** What is not ours to deliver, and who can. */
function nameTheRest(inUse: readonly Place[], others: readonly Place[]): void {
  for (const { file, waiting } of inUse) {
    note(`${file} is in use by a living process, which delivers its ${counted(waiting, "record")} itself`);
  }
  for (const place of others) {
    const { file, waiting, trouble } = place;
    if (trouble === undefined) {
      note(
        `${file} has ${counted(waiting, "record")} for ${describeOwner(place)}: run drain with the keys of that project`,
      );
    } else note(`${file} cannot be read: ${trouble.reason}; see span-buffer verify`);
  }
}

function rest({ label, waiting, owner }: Place): object {
  return { journal: label, waiting, owner };
}

function describe(account: DrainAccount, left: number, seconds: number, directory: string): string {
  const { acknowledged, deadLettered, dropped } = account;
  const rate = seconds > 0 ? `, ${Math.round(acknowledged / seconds).toLocaleString("en")} a second` : "";
  return [
    acknowledged === 0 && left === 0
      ? `nothing to deliver in ${directory}`
      : `${counted(acknowledged, "record")} delivered in ${seconds.toFixed(1)} s${rate}; ${counted(left, "record")} left in ${directory}`,
    ...(deadLettered > 0 ? [`${deadLettered} refused for good: span-buffer dead-letters list`] : []),
    ...(dropped > 0 ? [`${dropped} could not be read, or had no room`] : []),
  ].join("\n");
}

function say(_fields: unknown, message: string): void {
  note(message);
}

/** Warnings of the buffers; all else is in the account. */
const log: Log = { debug: () => undefined, info: () => undefined, warn: say, error: say };
