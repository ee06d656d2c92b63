/**
 * How the command line has dead letters of a journal in use retried or removed: only the process that holds the journal
 * may do it, so it is asked, by files beside the journal.
 *
 *     journal-<n>.request   {"id":…,"untilMs":…,"command":{"name":"retry","ids":[1,2]}}, whole from its first moment on
 *     journal-<n>.answer    {"id":…,"result":2} or {"id":…,"error":"…"}; the asker removes it
 *
 * The holder looks once a second. It removes a request before it does what it says: so none is done twice, and one whose
 * time is over, because nobody held the journal meanwhile, is never done.
 */
import { randomUUID } from "node:crypto";
import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { attend, type LetterAccess } from "./dead-letter-desk.ts";
import type { DeadLetterCommand } from "./messages.ts";

/** How often a holder looks. */
export const lookEveryMs = 1_000;

/** How often the asker looks for the answer. */
const pollMs = 50;

interface Request {
  id: string;
  /** Milliseconds since 1970. */
  untilMs: number;
  command: DeadLetterCommand;
}

type Answer = { id: string } & ReturnType<typeof attend>;

/** The holder's part. Returns whether something was done. Never throws. */
export function attendRequest(journal: string, letters: LetterAccess): boolean {
  const file = requestFile(journal);
  try {
    if (!existsSync(file)) return false;
    const { id, untilMs, command } = JSON.parse(readFileSync(file, "utf8")) as Request;
    rmSync(file);
    if (Date.now() > untilMs) return false;
    const answer: Answer = { id, ...attend(command, letters) };
    writeWhole(answerFile(journal), answer, renameSync);
    return true;
  } catch {
    // Withdrawn meanwhile, or no request of ours; the asker's time runs out.
    return false;
  }
}

/**
 * The asker's part: has the process that holds the journal do it.
 *
 * @throws Error for people: another request is under way, nobody attends to this one in time, or it could not be done.
 */
export async function askHolder(journal: string, command: DeadLetterCommand, limitMs: number): Promise<unknown> {
  const request: Request = { id: randomUUID(), untilMs: Date.now() + limitMs, command };
  try {
    writeWhole(requestFile(journal), request, linkSync);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Error("another request is under way: try again in a few seconds", { cause: error });
  }
  try {
    for (const deadlineMs = performance.now() + limitMs; performance.now() < deadlineMs; ) {
      await pause(pollMs);
      const answer = readAnswer(journal);
      if (answer?.id !== request.id) continue;
      rmSync(answerFile(journal), { force: true });
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.result;
    }
  } finally {
    rmSync(requestFile(journal), { force: true });
  }
  throw new Error(
    `the process that holds the journal has not answered in ${limitMs / 1000} s: it hangs, or has another version`,
  );
}

function readAnswer(journal: string): Answer | undefined {
  const file = answerFile(journal);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Answer) : undefined;
}

function writeWhole(file: string, content: Request | Answer, publish: (from: string, to: string) => void): void {
  const unfinished = `${file}.${content.id}`;
  writeFileSync(unfinished, JSON.stringify(content), { mode: 0o600 });
  try {
    publish(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function requestFile(journal: string): string {
  return journal.replace(/\.sqlite$/, ".request");
}

function answerFile(journal: string): string {
  return journal.replace(/\.sqlite$/, ".answer");
}
