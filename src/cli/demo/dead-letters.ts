import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { SpanPayload } from "../../buffer/span-payload.ts";
import { openDatabase } from "../../buffer/sqlite.ts";

/** Ids of the spans among the dead letters of all journals in a directory. */
export function deadLetteredIds(directory: string): Set<string> {
  const ids = new Set<string>();
  for (const name of readdirSync(directory)) {
    if (!name.endsWith(".sqlite")) continue;
    const database = openDatabase(join(directory, name), { readonly: true });
    for (const row of database.prepare("SELECT payload FROM dead_letters").all() as { payload: Buffer }[]) {
      ids.add((JSON.parse(row.payload.toString()) as SpanPayload).spanId);
    }
    database.close();
  }
  return ids;
}
