/** How a database file turns out to be damaged. */
import { ImplausibleVersionError } from "./journal-schema.ts";
import type { SqliteDatabase } from "./sqlite.ts";

/** Of a larger file the check would keep what waits for it for more than a twentieth of a second. */
const maxCheckedBytes = 64 * 1024 * 1024;

/** SQLite finds nothing wrong with the file, and yet what is in it makes no sense. */
export class DamagedRowsError extends Error {
  override readonly name = "DamagedRowsError";
  readonly code = "DAMAGED_ROWS";
}

/**
 * Looks at the structure of a whole file, unless it is large: a damaged one that is written to loses more than it has lost
 * already. Takes 1 ms for 1 MiB that is in the system's memory. Returns SQLite's first complaint; undefined: there is none.
 */
export function structureComplaint(database: SqliteDatabase): string | undefined {
  const pages = database.pragma("page_count", { simple: true }) as number;
  const pageBytes = database.pragma("page_size", { simple: true }) as number;
  if (pages * pageBytes > maxCheckedBytes) return undefined;
  const complaint = String(database.pragma("quick_check(1)", { simple: true }));
  return complaint === "ok" ? undefined : complaint;
}

/** The same for a file of any size, its indexes included. Takes as long as reading all of it. */
export function wholeStructureComplaint(database: SqliteDatabase): string | undefined {
  const complaint = String(database.pragma("integrity_check(1)", { simple: true }));
  return complaint === "ok" ? undefined : complaint;
}

/** Is the file itself at fault, as opposed to a disk or a directory that would refuse any other as well? */
export function isDamage(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? "";
  if (error instanceof DamagedRowsError || error instanceof ImplausibleVersionError) return true;
  // A new span's id is above all others: only in a damaged tree can there be one that is the same.
  return /^SQLITE_(NOTADB|CORRUPT|IOERR_SHORT_READ|SCHEMA|CONSTRAINT_PRIMARYKEY)/.test(code) || isForeignSchema(error);
}

/** A database, but not one of ours: a table or a column is missing. */
function isForeignSchema(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return code === "SQLITE_ERROR" && /no such (table|column)|already exists|has no column/.test(message ?? "");
}

/** A short word for a file name: `corrupt`, `notadb`. */
export function reasonOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: string; name?: string };
  return (code ?? name ?? "unknown")
    .toLowerCase()
    .replace(/^sqlite_/, "")
    .replaceAll(/[^a-z0-9]+/g, "-");
}
