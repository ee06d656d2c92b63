/** The open file of held events (its format: held-events-schema.ts). */
import { hash } from "node:crypto";
import {
  type HeldEntity,
  type HeldEvent,
  type HeldEventsLimits,
  type HeldKind,
  type HeldStage,
  prepareHeldEvents,
  type Settled,
} from "./held-events-schema.ts";
import { openDatabase, type SqliteDatabase, type SqliteStatement } from "./sqlite.ts";

/** There is no room for more events. */
export class HeldEventsFullError extends Error {
  constructor(maxBytes: number) {
    super(`held events take ${maxBytes} bytes, which is the limit`);
    this.name = "HeldEventsFullError";
  }
}

interface EntityRow {
  kind: HeldKind;
  key: string;
  traceKey: string | null;
  reached: HeldStage;
  /** 0 or 1. */
  isCreated: number;
  stage: HeldStage;
  nowMs: number;
  /** When it is due, by stage. */
  due0: number;
  due1: number;
  due2: number;
}

/** Of an entity and one event more: 1 is the most without a create. */
const mergedStage = "min(max(reached, excluded.reached), 1 + max(is_created, excluded.is_created))";

const entityColumns = `id, kind, key, trace_key AS traceKey, stage, revision, carried_revision AS carriedRevision,
  seen_at_ms AS seenAtMs, end_at_ms AS endAtMs, sent_hash AS sentHash`;

/** Rows that are forgotten in one transaction. */
const forgottenAtOnce = 500;

/** One open file. Every method throws what SQLite throws. */
export class HeldEvents {
  readonly file: string;
  readonly #database: SqliteDatabase;
  readonly #limits: HeldEventsLimits;
  readonly #findHash: SqliteStatement<[Buffer], { id: number }>;
  readonly #touchEntity: SqliteStatement<[EntityRow], number>;
  readonly #touchTrace: SqliteStatement<[string, string, number, number]>;
  readonly #insertEvent: SqliteStatement<[number, Buffer, string]>;
  readonly #selectDue: SqliteStatement<[number, number], HeldEntity>;
  readonly #selectEvents: SqliteStatement<[number], string>;
  readonly #selectTrace: SqliteStatement<[string], HeldEntity>;
  readonly #settle: SqliteStatement<[number, Buffer | null, number, number]>;
  readonly #carry: SqliteStatement<[number, number, number]>;
  #bytes: number;

  /** Opens the file, or makes it. @throws what SQLite throws, also for a file that is damaged. */
  constructor(file: string, limits: HeldEventsLimits, nowMs: number) {
    this.file = file;
    this.#limits = limits;
    const database = openDatabase(file);
    this.#database = database;
    try {
      prepareHeldEvents(database);
      this.#bytes = database
        .prepare<[], number>("SELECT coalesce(sum(octet_length(payload)), 0) FROM events")
        .pluck()
        .get() as number;
      // A clock that was put back must not make anything wait for longer than a new event would.
      const longestMs = Math.max(...Object.values(limits.patience).flat());
      database.prepare("UPDATE entities SET due_at_ms = ? WHERE due_at_ms > ?").run(nowMs, nowMs + longestMs);
    } catch (error) {
      database.close();
      throw error;
    }
    this.#findHash = database.prepare("SELECT id FROM events WHERE hash = ?");
    this.#touchEntity = database
      .prepare<[EntityRow], number>(`
      INSERT INTO entities (kind, key, trace_key, reached, is_created, stage, revision, seen_at_ms, due_at_ms)
      VALUES (@kind, @key, @traceKey, @reached, @isCreated, @stage, 1, @nowMs,
        CASE @stage WHEN 0 THEN @due0 WHEN 1 THEN @due1 ELSE @due2 END)
      ON CONFLICT (kind, key) DO UPDATE SET
        due_at_ms = CASE ${mergedStage} WHEN 0 THEN @due0 WHEN 1 THEN @due1 ELSE @due2 END,
        trace_key = coalesce(trace_key, excluded.trace_key),
        stage = ${mergedStage},
        reached = max(reached, excluded.reached),
        is_created = max(is_created, excluded.is_created),
        revision = revision + 1,
        seen_at_ms = excluded.seen_at_ms,
        forget_at_ms = NULL
      RETURNING id`)
      .pluck();
    this.#touchTrace = database.prepare(`
      INSERT INTO entities (kind, key, trace_key, seen_at_ms, forget_at_ms) VALUES ('trace', ?, ?, ?, ?)
      ON CONFLICT (kind, key) DO UPDATE SET
        seen_at_ms = excluded.seen_at_ms,
        forget_at_ms = CASE WHEN due_at_ms IS NULL THEN excluded.forget_at_ms ELSE NULL END`);
    this.#insertEvent = database.prepare("INSERT INTO events (entity_id, hash, payload) VALUES (?, ?, ?)");
    this.#selectDue = database.prepare(
      `SELECT ${entityColumns} FROM entities WHERE due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?`,
    );
    this.#selectEvents = database
      .prepare<[number], string>("SELECT payload FROM events WHERE entity_id = ? ORDER BY id")
      .pluck();
    this.#selectTrace = database.prepare(`SELECT ${entityColumns} FROM entities WHERE kind = 'trace' AND key = ?`);
    this.#settle = database.prepare(`
      UPDATE entities SET
        due_at_ms = CASE WHEN revision = ? THEN NULL ELSE due_at_ms END, sent_hash = ?, forget_at_ms = ?
      WHERE id = ?`);
    this.#carry = database.prepare(`
      UPDATE entities SET carried_revision = max(carried_revision, ?), end_at_ms = max(end_at_ms, ?) WHERE id = ?`);
  }

  /** Of all events, those that have gone included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Is there nothing, neither to be sent nor to be remembered? */
  get isEmpty(): boolean {
    return this.#database.prepare("SELECT 1 FROM entities LIMIT 1").get() === undefined;
  }

  /**
   * Commits events, all of them or none. Those that are here already are passed over. Returns how many those were.
   *
   * @throws HeldEventsFullError, and what SQLite throws.
   */
  add(events: readonly HeldEvent[], nowMs: number): number {
    const bytes = events.reduce((sum, { payload }) => sum + Buffer.byteLength(payload), 0);
    if (this.#bytes + bytes > this.#limits.maxBytes) {
      this.#forgetOldest(this.#bytes + bytes - this.#limits.maxBytes);
      if (this.#bytes + bytes > this.#limits.maxBytes) throw new HeldEventsFullError(this.#limits.maxBytes);
    }
    let addedBytes = 0;
    let repeated = 0;
    const traceKeys = new Set<string>();
    this.#database.transaction(() => {
      for (const event of events) {
        if (!this.#addOne(event, nowMs)) {
          repeated++;
          continue;
        }
        addedBytes += Buffer.byteLength(event.payload);
        if (event.kind === "observation" && event.traceKey !== undefined) traceKeys.add(event.traceKey);
      }
      for (const key of traceKeys) this.#touchTrace.run(key, key, nowMs, nowMs + this.#limits.keepTraceMs);
    })();
    this.#bytes += addedBytes;
    return repeated;
  }

  /** When the next is due, in milliseconds since 1970; undefined: nothing is. */
  nextDueMs(): number | undefined {
    const sql = "SELECT due_at_ms FROM entities WHERE due_at_ms IS NOT NULL ORDER BY due_at_ms LIMIT 1";
    return this.#database.prepare<[], number>(sql).pluck().get();
  }

  /** At most so many of those that are due, the first first. */
  due(nowMs: number, limit: number): HeldEntity[] {
    return this.#selectDue.all(nowMs, limit);
  }

  /** Complete ones that have not gone, due or not. */
  complete(limit: number): HeldEntity[] {
    const sql = `SELECT ${entityColumns} FROM entities WHERE due_at_ms IS NOT NULL AND stage = 2 ORDER BY kind, id LIMIT ?`;
    return this.#database.prepare<[number], HeldEntity>(sql).all(limit);
  }

  /** In the order of their coming. */
  eventsOf(entity: HeldEntity): string[] {
    return this.#selectEvents.all(entity.id);
  }

  trace(key: string): HeldEntity | undefined {
    return this.#selectTrace.get(key);
  }

  /** Has this trace an observation that has not gone? */
  hasOpenObservation(traceKey: string): boolean {
    const sql = "SELECT 1 FROM entities WHERE trace_key = ? AND due_at_ms IS NOT NULL AND kind = 'observation' LIMIT 1";
    return this.#database.prepare<[string]>(sql).get(traceKey) !== undefined;
  }

  postpone(entity: HeldEntity, dueAtMs: number): void {
    this.#database.prepare("UPDATE entities SET due_at_ms = ? WHERE id = ?").run(dueAtMs, entity.id);
  }

  /** Records what has gone. */
  settle(settled: readonly Settled[]): void {
    this.#database.transaction(() => {
      for (const { entity, hash: sentHash, forgetAtMs, trace, endAtMs } of settled) {
        this.#settle.run(entity.revision, sentHash, forgetAtMs, entity.id);
        if (trace !== undefined) this.#carry.run(trace.revision, endAtMs, trace.id);
      }
    })();
  }

  /** The first of those that have not gone, with their ids, in the order of their coming. */
  first(limit: number): { id: number; payload: string }[] {
    const sql = `SELECT events.id, payload FROM events JOIN entities ON entities.id = entity_id
      WHERE due_at_ms IS NOT NULL ORDER BY events.id LIMIT ?`;
    return this.#database.prepare<[number], { id: number; payload: string }>(sql).all(limit);
  }

  /** Removes events that have gone as they were, and what stood for them. */
  remove(ids: readonly number[]): void {
    let bytes = 0;
    this.#database.transaction(() => {
      const remove = this.#database.prepare<[number], { entity_id: number; bytes: number }>(
        "DELETE FROM events WHERE id = ? RETURNING entity_id, octet_length(payload) AS bytes",
      );
      const removeEntity = this.#database.prepare<[number], { trace_key: string | null }>(
        `DELETE FROM entities WHERE id = ? AND NOT EXISTS (SELECT 1 FROM events WHERE entity_id = entities.id)
         RETURNING trace_key`,
      );
      // Of a trace that stood there for its observations alone.
      const removeTrace = this.#database.prepare<[string]>(`DELETE FROM entities WHERE kind = 'trace' AND key = ?
        AND NOT EXISTS (SELECT 1 FROM events WHERE entity_id = entities.id)`);
      for (const id of ids) {
        const gone = remove.get(id);
        if (gone === undefined) continue;
        bytes += gone.bytes;
        const key = removeEntity.get(gone.entity_id)?.trace_key;
        if (typeof key === "string") removeTrace.run(key);
      }
    })();
    this.#bytes -= bytes;
  }

  /** Forgets what went long ago. */
  forget(nowMs: number): void {
    this.#forget(
      this.#database
        .prepare<[number, number], { id: number }>("SELECT id FROM entities WHERE forget_at_ms <= ? LIMIT ?")
        .all(nowMs, forgottenAtOnce),
    );
  }

  close(): void {
    this.#database.close();
  }

  /** Returns whether it is new. */
  #addOne({ kind, key, traceKey, stage, isUpdate = false, payload }: HeldEvent, nowMs: number): boolean {
    const hash = hashOf(payload);
    if (this.#findHash.get(hash) !== undefined) return false;
    const [due0, due1, due2] = this.#limits.patience[kind];
    const entityId = this.#touchEntity.get({
      kind,
      key,
      traceKey: traceKey ?? null,
      reached: stage,
      isCreated: isUpdate ? 0 : 1,
      stage: isUpdate && stage === 2 ? 1 : stage,
      nowMs,
      due0: nowMs + due0,
      due1: nowMs + due1,
      due2: nowMs + due2,
    }) as number;
    this.#insertEvent.run(entityId, hash, payload);
    return true;
  }

  #forget(entities: readonly { id: number }[]): void {
    if (entities.length === 0) return;
    let bytes = 0;
    this.#database.transaction(() => {
      const bytesOf = this.#database
        .prepare<[number], number>("SELECT coalesce(sum(octet_length(payload)), 0) FROM events WHERE entity_id = ?")
        .pluck();
      const removeEvents = this.#database.prepare<[number]>("DELETE FROM events WHERE entity_id = ?");
      const removeEntity = this.#database.prepare<[number]>("DELETE FROM entities WHERE id = ?");
      for (const { id } of entities) {
        bytes += bytesOf.get(id) as number;
        removeEvents.run(id);
        removeEntity.run(id);
      }
    })();
    this.#bytes -= bytes;
  }

  /** What has gone gives way to what has not. */
  #forgetOldest(bytes: number): void {
    const until = this.#bytes - bytes;
    const select = this.#database.prepare<[number], { id: number }>(
      "SELECT id FROM entities WHERE forget_at_ms IS NOT NULL ORDER BY forget_at_ms LIMIT ?",
    );
    while (this.#bytes > until) {
      const oldest = select.all(forgottenAtOnce);
      if (oldest.length === 0) return;
      this.#forget(oldest);
    }
  }
}

/** Half of SHA-256: as good as never the same for two events. */
export function hashOf(payload: string): Buffer {
  return hash("sha256", payload, "buffer").subarray(0, 16);
}
