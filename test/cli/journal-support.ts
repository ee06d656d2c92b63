/** Journals as processes leave them, and the command line beside them. */
import { join } from "node:path";
import { type JournalSlot, makeJournalSlot } from "../../src/buffer/journal-slot.ts";
import type { JournalOwner } from "../../src/buffer/journal-owner.ts";
import { standInKeys } from "../support/sidecars.ts";
import { type Ended, startProgram } from "../support/programs.ts";

export const keysEnv: NodeJS.ProcessEnv = {
  LANGFUSE_PUBLIC_KEY: standInKeys.publicKey,
  LANGFUSE_SECRET_KEY: standInKeys.secretKey,
};

/** Runs one command line; the tests' own variables about Langfuse are not in it. */
export async function cli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return await startProgram("../../src/cli/main.ts", args, { env: { LANGFUSE_BASE_URL: "", ...env } }).ended;
}

/** The same with `--json`, and what it printed. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- said once by each caller, in place of a cast
export async function cliJson<Result>(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; result: Result; stderr: string }> {
  const { code, stdout, stderr } = await cli([...args, "--json"], env);
  if (stdout === "") throw new Error(`exit code ${code}: ${stderr}`);
  return { code, result: JSON.parse(stdout) as Result, stderr };
}

export function ownerAt(baseUrl: string, publicKey: string = standInKeys.publicKey): JournalOwner {
  return { baseUrl, publicKey };
}

/** A journal that nobody has in use, with these records. */
export function leaveJournal(
  directory: string,
  owner: JournalOwner,
  records: readonly object[],
  acceptedAtMs: number = Date.now(),
): string {
  const slot = makeJournalSlot(directory, owner, (journal) => {
    journal.insertPayloads(
      records.map((record) => Buffer.from(JSON.stringify(record))),
      acceptedAtMs,
    );
  });
  release(slot);
  return slot.file;
}

function release(slot: JournalSlot): void {
  slot.journal.close();
  slot.release();
}

export function eventsDirectory(directory: string): string {
  return join(directory, "events");
}

/** As `end()` stores a span; ids from numbers. */
export function storedSpan(trace: number, span: number, fields: object = {}): object {
  return {
    traceId: hex(trace, 32),
    spanId: hex(trace * 1_000 + span, 16),
    name: `span ${span}`,
    startTimeUnixNano: `${1_700_000_000_000 + span}000000`,
    endTimeUnixNano: `${1_700_000_000_010 + span}000000`,
    ...fields,
  };
}

export function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}

export function score(id: string, traceId: string): object {
  const timestamp = "2026-11-26T10:00:00.000Z";
  return { id: `event-${id}`, type: "score-create", timestamp, body: { id, traceId, name: "helpful", value: 1 } };
}
