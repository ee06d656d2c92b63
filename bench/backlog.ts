/** Fills a journal: the first spans through the package itself with Langfuse away, the rest as copies of their rows. */
import { closeSync, fsyncSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type SqliteDatabase, openDatabase } from "../src/buffer/sqlite.ts";
import { SpanBuffer } from "../src/index.ts";
import { makeContents } from "./content.ts";
import { recordOf, type SpanKind } from "./span.ts";
import { benchKeys } from "./subject.ts";

const firstSpans = 2_000;
const rowsPerTransaction = 200_000;
/** Nobody listens there; the destination is written into the journal later (`adopt`). */
const nowhere = "http://127.0.0.1:9";

/** Makes a journal of a few thousand spans in an empty folder, as an outage leaves it. */
export async function makeFirstBacklog(directory: string, kind: SpanKind): Promise<void> {
  const buffer = new SpanBuffer({ ...benchKeys, baseUrl: nowhere, directory, logger: { warn: () => undefined } });
  for (const content of makeContents(kind, firstSpans, 1)) buffer.enqueue(recordOf(content));
  await buffer.shutdown({ timeoutMs: 3_000 });
  const { journalSpans } = buffer.stats();
  if (journalSpans !== firstSpans) throw new Error(`${journalSpans} of ${firstSpans} spans are in the journal`);
}

/** Brings the journal of a folder to exactly so many spans and gives it to a destination. Nobody else may use it. */
export function prepareBacklog(directory: string, spans: number, baseUrl: string): void {
  const database = openDatabase(journalFile(directory));
  try {
    // Waits for the disk once, below.
    database.pragma("synchronous = OFF");
    fillTo(database, spans);
    database.prepare("UPDATE meta SET value = ? WHERE key = 'base_url'").run(baseUrl);
    database.pragma("wal_checkpoint(TRUNCATE)");
  } finally {
    database.close();
  }
  // Otherwise the system writes a gigabyte while the start is measured.
  const file = openSync(journalFile(directory), "r+");
  fsyncSync(file);
  closeSync(file);
}

function fillTo(database: SqliteDatabase, spans: number): void {
  const countOf = database.prepare<[], { value: string }>("SELECT value FROM meta WHERE key = 'span_count'");
  const setCount = database.prepare("UPDATE meta SET value = ? WHERE key = 'span_count'");
  const rangeOf = database.prepare<[], { ids: number }>("SELECT max(id) - min(id) + 1 AS ids FROM spans");
  const copy = database.prepare(
    `INSERT INTO spans (id, accepted_at_ms, payload)
     SELECT id + @shift, accepted_at_ms, payload FROM spans ORDER BY id LIMIT @rows`,
  );
  let count = Number(countOf.get()?.value);
  if (!(count > 0 && count <= spans)) throw new Error(`the journal has ${count} spans, ${spans} are wanted`);
  while (count < spans) {
    const rows = Math.min(count, spans - count, rowsPerTransaction);
    database.transaction(() => {
      // The copies come right behind the last, in the same order.
      copy.run({ shift: rangeOf.get()?.ids, rows });
      setCount.run(String(count + rows));
    })();
    count += rows;
  }
}

function journalFile(directory: string): string {
  const names = readdirSync(directory).filter((name) => /^journal-\d+\.sqlite$/.test(name));
  if (names.length !== 1 || names[0] === undefined) throw new Error(`${names.length} journals where one should be`);
  return join(directory, names[0]);
}
