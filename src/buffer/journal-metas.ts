/** What the journals of a directory say of themselves, as far as they can be read, whoever holds them. */
import { dirname } from "node:path";
import { journalFile, journalSlotsIn } from "./journal-files.ts";
import { openDatabase, type SqliteDatabase } from "./sqlite.ts";

/** The ids of all journals in a directory, as far as they can be read, whoever holds them. */
export function journalIdsIn(directory: string): Set<string> {
  const ids = new Set<string>();
  for (const meta of metasIn(directory)) {
    const id = meta.get("journal_id");
    if (id !== undefined) ids.add(id);
  }
  return ids;
}

/** What the other journals beside this one say of themselves. */
export function otherMetas(file: string): Generator<ReadonlyMap<string, string>> {
  return metasIn(dirname(file), file);
}

/** What the journals of a directory say of themselves, as far as they can be read, whoever holds them. */
function* metasIn(directory: string, except?: string): Generator<ReadonlyMap<string, string>> {
  for (const slot of journalSlotsIn(directory)) {
    const file = journalFile(directory, slot);
    if (file === except) continue;
    try {
      yield readMeta(file);
    } catch {
      // Empty or damaged: what it has taken can no longer be told.
    }
  }
}

function readMeta(file: string): ReadonlyMap<string, string> {
  const database = openDatabase(file, { readonly: true, busyTimeoutMs: 1_000 });
  try {
    return metaOf(database);
  } finally {
    database.close();
  }
}

/** All that an open journal says of itself, by key. @throws what SQLite throws. */
export function metaOf(database: SqliteDatabase): ReadonlyMap<string, string> {
  return new Map(database.prepare("SELECT key, value FROM meta").raw().all() as [string, string][]);
}
