import { openDatabase, type SqliteDatabase } from "../buffer/sqlite.ts";
import { type IngestionEvent, isObservation, withoutNull } from "./ingestion-request.ts";
import { viewOfIngestion } from "./ingestion-view.ts";
import { type StoredSpan, textOrNull } from "./observation.ts";
import type { ReceivedSpan } from "./otlp-request.ts";
import { viewOfOtlp } from "./otlp-view.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS spans (
    id TEXT PRIMARY KEY, trace_id TEXT NOT NULL, event_type TEXT, source TEXT NOT NULL, arrivals INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS spans_by_trace ON spans (trace_id);
  CREATE TABLE IF NOT EXISTS traces (id TEXT PRIMARY KEY, source TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS scores (id TEXT PRIMARY KEY, source TEXT NOT NULL, arrivals INTEGER NOT NULL);
`;

/** As Langfuse's API shows it, and how often it came. */
export interface StoredScore extends Record<string, unknown> {
  id: string;
  arrivals: number;
}

interface SpanRow {
  id: string;
  trace_id: string;
  /** The event's type; null for OTLP. */
  event_type: string | null;
  source: string;
}

/** What arrived, as it arrived; the observations are made of it when somebody asks. One transaction a request. */
export class Storage {
  readonly #database: SqliteDatabase;
  readonly #insertSpan;
  readonly #updateSpan;
  readonly #upsertTrace;
  readonly #upsertScore;
  readonly #traceSource;

  /** @param file a path, or `:memory:`. */
  constructor(file: string) {
    this.#database = openDatabase(file);
    this.#database.pragma("journal_mode = WAL");
    this.#database.pragma("synchronous = OFF");
    this.#database.exec(schema);
    // What came first stays, as on a server that recognises the id; how often it came is counted. Where an update was
    // first (the old JS SDK sends some so), its create goes under it.
    this.#insertSpan = this.#database.prepare<[string, string, string | null, string]>(
      `INSERT INTO spans (id, trace_id, event_type, source, arrivals) VALUES (?, ?, ?, ?, 1)
       ON CONFLICT (id) DO UPDATE SET
         arrivals = arrivals + (coalesce(event_type, '') NOT LIKE '%-update'),
         source = iif(event_type LIKE '%-update', json_patch(excluded.source, source), source),
         event_type = iif(event_type LIKE '%-update', excluded.event_type, event_type)`,
    );
    // An update is no arrival: it changes what is there, or is all that there is.
    this.#updateSpan = this.#database.prepare<[string, string, string, string]>(
      `INSERT INTO spans (id, trace_id, event_type, source, arrivals) VALUES (?, ?, ?, ?, 1)
       ON CONFLICT (id) DO UPDATE SET source = json_patch(source, excluded.source)`,
    );
    this.#upsertScore = this.#database.prepare<[string, string]>(
      `INSERT INTO scores (id, source, arrivals) VALUES (?, ?, 1)
       ON CONFLICT (id) DO UPDATE SET source = json_patch(source, excluded.source), arrivals = arrivals + 1`,
    );
    this.#upsertTrace = this.#database.prepare<[string, string]>(
      "INSERT INTO traces (id, source) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET source = json_patch(source, excluded.source)",
    );
    this.#traceSource = this.#database.prepare<[string], { source: string }>("SELECT source FROM traces WHERE id = ?");
  }

  storeOtlp(spans: readonly ReceivedSpan[]): void {
    this.#database.transaction(() => {
      for (const received of spans) {
        this.#insertSpan.run(received.span.spanId, received.span.traceId, null, JSON.stringify(received));
      }
    })();
  }

  storeEvents(events: readonly IngestionEvent[]): void {
    this.#database.transaction(() => {
      // As Langfuse sorts a batch.
      for (const event of events.toSorted((a, b) => rankOf(a) - rankOf(b))) this.#storeEvent(event);
    })();
  }

  scores(): StoredScore[] {
    const rows = this.#database.prepare("SELECT id, source, arrivals FROM scores ORDER BY rowid").all();
    return (rows as { id: string; source: string; arrivals: number }[]).map(({ id, source, arrivals }) => ({
      source: "API",
      ...(JSON.parse(source) as Record<string, unknown>),
      id,
      arrivals,
    }));
  }

  counts(): { spans: number; twice: number; arrivals: number } {
    const row = this.#database
      .prepare(
        "SELECT count(*) AS spans, coalesce(sum(arrivals > 1), 0) AS twice, coalesce(sum(arrivals), 0) AS arrivals FROM spans",
      )
      .get();
    return row as { spans: number; twice: number; arrivals: number };
  }

  /** Span id → arrivals, in the order of the first. */
  ids(): Record<string, number> {
    const rows = this.#database.prepare("SELECT id, arrivals FROM spans ORDER BY rowid").all() as {
      id: string;
      arrivals: number;
    }[];
    return Object.fromEntries(rows.map(({ id, arrivals }) => [id, arrivals]));
  }

  /** In the order of arrival. */
  spans(limit = -1, offset = 0): StoredSpan[] {
    const rows = this.#database.prepare("SELECT * FROM spans ORDER BY rowid LIMIT ? OFFSET ?").all(limit, offset);
    return (rows as SpanRow[]).map((row) => this.#view(row));
  }

  spansOfTrace(traceId: string): StoredSpan[] {
    const rows = this.#database.prepare("SELECT * FROM spans WHERE trace_id = ? ORDER BY rowid").all(traceId);
    return (rows as SpanRow[]).map((row) => this.#view(row));
  }

  /** Ids of all traces of which something arrived, newest first. */
  traceIds(): string[] {
    const rows = this.#database
      .prepare("SELECT trace_id AS id FROM spans GROUP BY trace_id ORDER BY max(rowid) DESC")
      .all();
    return (rows as { id: string }[]).map(({ id }) => id);
  }

  /** The row of a trace, where the ingestion route made one. */
  trace(id: string): Record<string, unknown> {
    const row = this.#traceSource.get(id);
    return row === undefined ? {} : (JSON.parse(row.source) as Record<string, unknown>);
  }

  clear(): void {
    this.#database.exec("DELETE FROM spans; DELETE FROM traces; DELETE FROM scores;");
  }

  close(): void {
    this.#database.close();
  }

  #storeEvent({ id = "", type = "", timestamp, body: given = {} }: IngestionEvent): void {
    const body = withoutNull(given);
    const source = JSON.stringify(body);
    const ids = [textOrNull(body["id"]) ?? id, textOrNull(body["traceId"]) ?? ""] as const;
    if (type === "score-create") this.#upsertScore.run(ids[0], JSON.stringify({ timestamp, ...body }));
    else if (type === "trace-create") this.#upsertTrace.run(ids[0], this.#traceSourceWith(ids[0], body));
    else if (isUpdate(type)) this.#updateSpan.run(...ids, type, source);
    else this.#insertSpan.run(...ids, type, source);
  }

  /** Tags add up; what a trace said first of its time stays. */
  #traceSourceWith(id: string, body: Record<string, unknown>): string {
    const before = this.trace(id);
    const tags = [before["tags"], body["tags"]].flatMap((list) => (Array.isArray(list) ? list.map(String) : []));
    return JSON.stringify({
      ...body,
      timestamp: before["timestamp"] ?? body["timestamp"],
      environment: before["environment"] ?? body["environment"],
      ...(tags.length === 0 ? {} : { tags: [...new Set(tags)] }),
    });
  }

  #view(row: SpanRow): StoredSpan {
    if (row.event_type === null) return viewOfOtlp(JSON.parse(row.source) as ReceivedSpan);
    return viewOfIngestion(row.event_type, JSON.parse(row.source) as Record<string, unknown>, this.trace(row.trace_id));
  }
}

function isUpdate(type: string): boolean {
  return isObservation(type) && type.endsWith("-update");
}

function rankOf({ type = "", timestamp = "" }: IngestionEvent): number {
  return (isUpdate(type) ? 1e15 : 0) + Date.parse(timestamp);
}
