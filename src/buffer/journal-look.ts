/**
 * A look at a journal from outside, whoever holds it: with a connection that only reads, in transactions that last as
 * long as one look-up, so that a living process's write-ahead log is carried over in time.
 */
import { statSync } from "node:fs";
import { isDamage, reasonOf, structureComplaint } from "./damage.ts";
import { countLetters, type LetterCount } from "./dead-letters.ts";
import { isLocked } from "./file-lock.ts";
import { metaOf } from "./journal-metas.ts";
import { ringKey } from "./journal-meta.ts";
import { type JournalOwner, readOwnerFile } from "./journal-owner.ts";
import { NewerJournalError, versionOf } from "./journal-schema.ts";
import { SpanReader } from "./span-reader.ts";
import { openDatabase, type SqliteDatabase } from "./sqlite.ts";

/** Why a file cannot be read: written by a newer package, damaged, or what the system says. */
export interface LookTrouble {
  kind: "newer" | "damaged" | "unreadable";
  /** SQLite's words, or ours. */
  reason: string;
}

export interface JournalLook {
  file: string;
  /** A living process writes it. False: it was left behind, and waits to be adopted. */
  isHeld: boolean;
  /** As the journal says itself, or else the word beside it. `baseUrl` is `unknown` when nothing tells. */
  owner: JournalOwner;
  /** Of the format; 0: the file is still empty, or cannot be read. */
  version: number;
  /** Spans that the server has not acknowledged. */
  waiting: number;
  /** When the oldest of them was accepted, in milliseconds since 1970; undefined: none waits. */
  oldestAtMs: number | undefined;
  /** Size of the file and its write-ahead log. */
  bytes: number;
  deadLetters: LetterCount[];
  /** Ring → number of its last frame that is committed: how many spans have come, as a 32-bit integer that wraps. */
  taken: Record<string, number>;
  trouble: LookTrouble | undefined;
}

/** A living process commits within milliseconds; a reader meets its locks only while it recovers the log. */
const busyTimeoutMs = 1_000;

/**
 * Looks at one journal. Never throws: what cannot be read is in `trouble`.
 *
 * @param lockFile held by the process that writes the journal.
 * @param isChecked also checks the structure of a file up to 64 MiB (1 ms for each).
 */
export function lookAtJournal(file: string, lockFile: string, isChecked: boolean): JournalLook {
  const look: JournalLook = {
    file,
    isHeld: isHeld(lockFile),
    owner: readOwnerFile(file),
    version: 0,
    waiting: 0,
    oldestAtMs: undefined,
    bytes: bytesOf(file),
    deadLetters: [],
    taken: {},
    trouble: undefined,
  };
  look.trouble = withReadOnly(file, (database) => {
    look.version = versionOf(database);
    if (look.version > 0) readInto(look, database);
    return isChecked ? structureComplaint(database) : undefined;
  });
  return look;
}

/** Reads a database without ever writing to it. Returns what is wrong with it; a complaint of `read`'s is damage. */
export function withReadOnly(
  file: string,
  read: (database: SqliteDatabase) => string | undefined,
): LookTrouble | undefined {
  try {
    const database = openDatabase(file, { readonly: true, busyTimeoutMs });
    try {
      const complaint = read(database);
      return complaint === undefined ? undefined : { kind: "damaged", reason: complaint };
    } finally {
      database.close();
    }
  } catch (error) {
    return troubleOf(error);
  }
}

/** Does a living process hold it? One that cannot even be read is nobody's. */
export function isHeld(lockFile: string): boolean {
  try {
    return isLocked(lockFile);
  } catch {
    return false;
  }
}

/** Size of a database file and its write-ahead log; 0: there is none. */
export function bytesOf(file: string): number {
  return [file, `${file}-wal`].reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function readInto(look: JournalLook, database: SqliteDatabase): void {
  const meta = metaOf(database);
  const baseUrl = meta.get("base_url");
  if (baseUrl !== undefined) look.owner = { baseUrl, publicKey: meta.get("public_key") };
  look.waiting = Number(meta.get("span_count") ?? "0");
  look.taken = Object.fromEntries(
    [...meta]
      .filter(([key]) => key.startsWith(ringKey("")))
      .map(([key, value]) => [key.slice(ringKey("").length), Number(value)]),
  );
  look.oldestAtMs = new SpanReader(database).acceptedAtMs(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  look.deadLetters = countLetters(database);
}

function troubleOf(error: unknown): LookTrouble {
  const { message } = error as Error;
  if (error instanceof NewerJournalError) return { kind: "newer", reason: message };
  if (isDamage(error)) return { kind: "damaged", reason: `${message} (${reasonOf(error)})` };
  return { kind: "unreadable", reason: message };
}
