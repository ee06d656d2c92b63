/**
 * Events of Langfuse's old SDKs that are committed and wait: until it is known which route the server takes, and until
 * the rest of their observation has come. One SQLite file for each process and destination:
 *
 *     held-<owner>-<n>.sqlite   owner: of base URL and public key, so that no other project's events are looked at
 *     held-<owner>-<n>.lock     held for the process's life (file-lock.ts); a file whose lock is free is adopted
 *
 * - `entities`: an observation or a trace, by the id that the SDK gave it. `due_at_ms`: when to look whether it can go;
 *   null: everything of it has gone. `stage`: what its events have `reached`, but complete only once it `is_created`:
 *   Langfuse's JS SDK sends the update with the end before the create, which may be in the next request, ten seconds
 *   later. `revision` counts its own events, so that what comes while the others are on their
 *   way is not taken for gone. `carried_revision`: of a trace, how much of it a span has taken along. What has gone stays
 *   until `forget_at_ms`, for an update that comes late.
 * - `events`: as they came, in the order of their coming; `hash` tells the same event when it comes again.
 *
 * A crash between an event's journey and its record here repeats it, and loses nothing.
 */
import { structureComplaint } from "./damage.ts";
import { type SqliteDatabase, useWriteAheadLog } from "./sqlite.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS entities (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    trace_key TEXT,
    stage INTEGER NOT NULL DEFAULT 0,
    reached INTEGER NOT NULL DEFAULT 0,
    is_created INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0,
    carried_revision INTEGER NOT NULL DEFAULT 0,
    seen_at_ms INTEGER NOT NULL,
    due_at_ms INTEGER,
    forget_at_ms INTEGER,
    end_at_ms INTEGER NOT NULL DEFAULT 0,
    sent_hash BLOB,
    UNIQUE (kind, key)
  );
  CREATE INDEX IF NOT EXISTS entities_due ON entities (due_at_ms) WHERE due_at_ms IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entities_forget ON entities (forget_at_ms) WHERE forget_at_ms IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entities_of_trace ON entities (trace_key) WHERE due_at_ms IS NOT NULL;
  CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, entity_id INTEGER NOT NULL, hash BLOB NOT NULL UNIQUE, payload TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS events_of_entity ON events (entity_id);
`;

export type HeldKind = "trace" | "observation";

/** How much is known of an observation or a trace: it is open, it has an output, it is complete. */
export type HeldStage = 0 | 1 | 2;

export interface HeldEvent {
  kind: HeldKind;
  /** The id of the observation or trace. */
  key: string;
  /** Of an observation; undefined: the event does not say. */
  traceKey: string | undefined;
  /** How much this event knows. */
  stage: HeldStage;
  /** It changes what another event creates. */
  isUpdate?: boolean;
  /** The event in JSON. */
  payload: string;
}

/** An observation or a trace of which something is to go. */
export interface HeldEntity {
  id: number;
  kind: HeldKind;
  key: string;
  traceKey: string | null;
  stage: HeldStage;
  revision: number;
  carriedRevision: number;
  /** When something of it came last; of a trace: or of its observations. Milliseconds since 1970. */
  seenAtMs: number;
  /** Of a trace: the latest end among its observations that have gone. 0: none has. */
  endAtMs: number;
  /** Of what went last. */
  sentHash: Buffer | null;
}

/** What has gone. */
export interface Settled {
  entity: HeldEntity;
  hash: Buffer | null;
  forgetAtMs: number;
  /** Of an observation: the trace whose fields went with it, as far as it was known. */
  trace: HeldEntity | undefined;
  endAtMs: number;
}

/** How long after its last event an observation or a trace is left alone, by stage; in milliseconds. */
export type Patience = Readonly<Record<HeldKind, readonly [number, number, number]>>;

export interface HeldEventsLimits {
  patience: Patience;
  /** How long a trace's fields are kept after its last event, in milliseconds. */
  keepTraceMs: number;
  /** Of all events. */
  maxBytes: number;
}

/** Sets the connection up and makes the tables. @throws what SQLite throws, with its code for a file that is damaged. */
export function prepareHeldEvents(database: SqliteDatabase): void {
  useWriteAheadLog(database);
  const complaint = structureComplaint(database);
  if (complaint !== undefined) throw Object.assign(new Error(complaint), { code: "SQLITE_CORRUPT" });
  database.exec(schema);
}
