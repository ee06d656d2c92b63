/**
 * What to do with a journal that SQLite finds damaged: everything that can still be read goes into a fresh file, which
 * takes its place; the damaged one is set aside for people to look at.
 *
 *     1. journal-1.rescue.sqlite   is filled: spans under their old ids, dead letters, meta
 *     2. journal-1.sqlite          becomes journal-1.damaged-<when>-<why>.sqlite (with -wal and -shm)
 *     3. journal-1.rescue.sqlite   becomes journal-1.sqlite
 *
 * A process that dies before 2 begins anew; one that dies between 2 and 3 leaves a whole rescue file without a journal,
 * and whoever takes the slot next does 3.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Journal } from "./journal.ts";
import { PackedPayloads } from "./packed-payloads.ts";
import { readableRows } from "./readable-rows.ts";
import { SpanRun } from "./span-run.ts";
import { openDatabase, type SqliteDatabase } from "./sqlite.ts";

/** Damaged journals that are kept: the newest, and older ones as long as they are few and small. */
const maxSetAside = 5;
const maxSetAsideBytes = 256 * 1024 * 1024;

/** Rows that are written together, and their bytes: what is read of them is in memory. */
const chunkRows = 1_000;
const chunkBytes = 4 * 1024 * 1024;

const companions = ["-wal", "-shm"] as const;

export interface Rescue {
  /** The journal that was damaged; a fresh one has this name now. */
  file: string;
  /** Spans that were saved. */
  spans: number;
  /** Spans that the journal counted and that could not be read; 0 when it does not say how many there were. */
  lost: number;
  deadLetters: number;
  /** Where the damaged journal is now. */
  setAside: string;
}

/** For people. */
export function describeRescue({ spans, lost, deadLetters, setAside }: Rescue): string {
  const saved = `${spans} spans and ${deadLetters} dead letters were saved`;
  return `a journal was damaged: ${saved}${lost > 0 ? `, ${lost} spans cannot be read` : ""}; the damaged file is kept as ${setAside}`;
}

/** What a process that has the journal in use knows of its spans. */
export interface KnownSpans {
  /** They need not be read. */
  inMemory: readonly SpanRun[];
  /** They are not to be kept, although the journal has them. */
  isDone: (id: number) => boolean;
  /** Called now and then. */
  onProgress: () => void;
}

/**
 * Puts a fresh journal with all that can be read in the place of a damaged one, which nobody may have open.
 *
 * @throws what the disk throws.
 */
export function rebuildJournal(file: string, reason: string, known: KnownSpans): Rescue {
  const rescueFile = rescueFileOf(file);
  removeDatabase(rescueFile);
  const rescued = fill(rescueFile, file, known);
  const setAside = setAsideFile(file, reason);
  renameSync(rescueFile, file);
  return { file, ...rescued, setAside };
}

/** Completes or undoes what a process that died in `rebuildJournal` left. */
export function settleRescue(file: string): void {
  const rescueFile = rescueFileOf(file);
  if (!existsSync(rescueFile)) return;
  if (existsSync(file)) {
    removeDatabase(rescueFile);
    return;
  }
  // The damaged one's log, had it still its name: SQLite would write it into the new one.
  if (companions.some((ending) => existsSync(file + ending))) setAsideFile(file, "log");
  renameSync(rescueFile, file);
}

/** Moves a journal out of the way, or what is there in its stead. Returns its new name. */
export function setAsideFile(file: string, reason: string): string {
  // Later than all that are there, also within one millisecond or after a clock was put back: the names sort by time.
  const target = setAsideName(file, Math.max(Date.now(), newestSetAsideMs(file) + 1), reason);
  for (const ending of ["", ...companions]) {
    if (existsSync(file + ending)) renameSync(file + ending, target + ending);
  }
  forgetOldest(file);
  return target;
}

function setAsideName(file: string, atMs: number, reason: string): string {
  const stamp = new Date(atMs).toISOString().replaceAll(/[:.]/g, "-");
  return file.replace(/\.sqlite$/, `.damaged-${stamp}-${reason}.sqlite`);
}

function newestSetAsideMs(file: string): number {
  const newest = setAsideNamesOf(file).at(-1) ?? "";
  const [, date, hours, minutes, seconds, milliseconds] =
    /\.damaged-([\d-]{10})T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z/.exec(newest) ?? [];
  return Date.parse(`${date}T${hours}:${minutes}:${seconds}.${milliseconds}Z`) || 0;
}

/** Oldest first. */
function setAsideNamesOf(file: string): string[] {
  const prefix = `${basename(file, ".sqlite")}.damaged-`;
  const isSetAside = (name: string): boolean => name.startsWith(prefix) && /\.sqlite(-wal)?$/.test(name);
  return readdirSync(dirname(file)).filter(isSetAside).toSorted();
}

function rescueFileOf(file: string): string {
  return file.replace(/\.sqlite$/, ".rescue.sqlite");
}

/**
 * Closes a journal that is to be renamed: everything must be in its one file by then.
 *
 * @throws what the disk throws, also when the write-ahead log could not be carried over.
 */
export function closeWhole(journal: Journal): void {
  const log = `${journal.file}-wal`;
  journal.close();
  if (existsSync(log) && statSync(log).size > 0) throw new Error(`${log} could not be carried over: is the disk full?`);
}

/** Removes a database with what belongs to it, if it is there. @throws what the file system throws. */
export function removeDatabase(file: string): void {
  for (const ending of ["", ...companions]) rmSync(file + ending, { force: true });
}

function forgetOldest(file: string): void {
  const names = new Set(setAsideNamesOf(file).map((name) => name.replace(/-wal$/, "")));
  let bytes = 0;
  for (const [index, name] of [...names].toReversed().entries()) {
    const path = join(dirname(file), name);
    bytes += sizeOf(path);
    if (index > 0 && (index >= maxSetAside || bytes > maxSetAsideBytes)) removeDatabase(path);
  }
}

function sizeOf(file: string): number {
  let bytes = 0;
  for (const ending of ["", ...companions]) {
    const stats = statSync(file + ending, { throwIfNoEntry: false });
    bytes += stats?.isFile() === true ? stats.size : 0;
  }
  return bytes;
}

type Rescued = Omit<Rescue, "file" | "setAside">;

function fill(rescueFile: string, file: string, known: KnownSpans): Rescued {
  const fresh = new Journal(rescueFile);
  try {
    const result = copyReadable(file, fresh, known);
    closeWhole(fresh);
    return result;
  } catch (error) {
    fresh.close();
    throw error;
  }
}

function copyReadable(file: string, fresh: Journal, { inMemory, isDone, onProgress }: KnownSpans): Rescued {
  fresh.restore(inMemory);
  const result = { spans: fresh.count, lost: 0, deadLetters: 0 };
  const damaged = openDamaged(file);
  if (damaged === undefined) return result;
  let done = 0;
  try {
    for (const [key, value] of readMeta(damaged)) {
      if (key === "span_count") result.lost = Number(value) || 0;
      else fresh.meta.set(key, value);
    }
    for (const rows of inChunks(readSpans(damaged, result.lost || undefined))) {
      const pending = rows.filter(({ id }) => !isDone(id));
      done += rows.length - pending.length;
      // Those from memory are in already, and stay as they are.
      const clashes = fresh.restore(pending.map(({ id, acceptedAtMs, payload }) => runOf(id, acceptedAtMs, payload)));
      // What memory has needs no second version from a damaged file.
      const others = clashes.filter((id) => !inMemory.some(({ firstId, lastId }) => firstId <= id && id <= lastId));
      restoreElsewhere(fresh, pending, others);
      onProgress();
    }
    for (const letters of inChunks(readDeadLetters(damaged))) {
      result.deadLetters += fresh.restoreDeadLetters(letters);
    }
  } finally {
    closeQuietly(damaged);
  }
  result.spans = fresh.count;
  result.lost = Math.max(0, result.lost - done - fresh.count);
  return result;
}

/** Of two rows with one id, one of which was overwritten, both may be whole: the later one gets another id. */
function restoreElsewhere(fresh: Journal, rows: readonly SpanRow[], ids: readonly number[]): void {
  const left = [...ids];
  for (const { id, acceptedAtMs, payload } of rows.toReversed()) {
    const at = left.lastIndexOf(id);
    if (at === -1) continue;
    left.splice(at, 1);
    fresh.restore([runOf(fresh.idsBefore(1), acceptedAtMs, payload)]);
  }
}

function runOf(id: number, acceptedAtMs: number, payload: Buffer): SpanRun {
  return new SpanRun(id, acceptedAtMs, PackedPayloads.of([payload]), true);
}

/** Undefined: nothing in it can be read. */
function openDamaged(file: string): SqliteDatabase | undefined {
  try {
    if (!existsSync(file) || !statSync(file).isFile()) return undefined;
    const database = openDatabase(file, { busyTimeoutMs: 1_000 });
    try {
      database.prepare("SELECT count(*) FROM sqlite_master").get();
      return database;
    } catch {
      closeQuietly(database);
      return undefined;
    }
  } catch {
    return undefined;
  }
}

function closeQuietly(database: SqliteDatabase): void {
  try {
    database.close();
  } catch {
    // It is set aside in any case.
  }
}

function readMeta(database: SqliteDatabase): [key: string, value: string][] {
  try {
    const rows = database.prepare("SELECT key, value FROM meta").raw().all() as [unknown, unknown][];
    return rows.filter((row): row is [string, string] => typeof row[0] === "string" && typeof row[1] === "string");
  } catch {
    return [];
  }
}

interface SpanRow {
  id: number;
  acceptedAtMs: number;
  payload: Buffer;
}

function* readSpans(database: SqliteDatabase, expected: number | undefined): Generator<SpanRow> {
  // The second for a schema in which the other name is spoilt.
  const columns = ["id, accepted_at_ms AS acceptedAtMs, payload", "id, payload"];
  for (const row of readableRows<SpanRow>(database, columns, "spans", expected)) {
    if (!Buffer.isBuffer(row.payload)) continue;
    yield Number.isSafeInteger(row.acceptedAtMs) ? row : { ...row, acceptedAtMs: Date.now() };
  }
}

type DeadLetterRow = Record<string, unknown> & { id: number; payload: unknown };

function* readDeadLetters(database: SqliteDatabase): Generator<DeadLetterRow> {
  for (const row of readableRows<DeadLetterRow>(database, ["*"], "dead_letters", undefined)) {
    if (Buffer.isBuffer(row.payload)) yield row;
  }
}

function* inChunks<Row extends { payload: unknown }>(rows: Iterable<Row>): Generator<Row[]> {
  let chunk: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    chunk.push(row);
    bytes += Buffer.isBuffer(row.payload) ? row.payload.length : 0;
    if (chunk.length < chunkRows && bytes < chunkBytes) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}
