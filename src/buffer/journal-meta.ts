import { randomUUID } from "node:crypto";
import type { SqliteDatabase, SqliteStatement } from "./sqlite.ts";

export interface RingPosition {
  /** Which ring: a number drawn at random when the buffer was made. */
  ringId: string;
  /** Number of the last frame that is in the journal. */
  sequence: number;
}

/** What a journal says of itself (the keys: journal-schema.ts). Methods throw the driver's `SqliteError`. */
export class JournalMeta {
  readonly #database: SqliteDatabase;
  readonly #set: SqliteStatement<[string, string]>;
  #id: string | undefined;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#set = database.prepare(
      "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    );
  }

  get(key: string): string | undefined {
    const row = this.#database.prepare("SELECT value FROM meta WHERE key = ?").get(key) as
      | { value: string }
      | undefined;
    return row?.value;
  }

  set(key: string, value: string): void {
    this.#set.run(key, value);
  }

  forget(key: string): void {
    this.#database.prepare("DELETE FROM meta WHERE key = ?").run(key);
  }

  /** What is under all keys that begin so. */
  startingWith(prefix: string): [key: string, value: string][] {
    return this.#database.prepare("SELECT key, value FROM meta WHERE key GLOB ?").raw().all(`${prefix}*`) as [
      string,
      string,
    ][];
  }

  /** Drawn at random when it is first asked for; it stays with the file wherever that is moved. */
  get journalId(): string {
    if (this.#id === undefined) {
      this.#id = this.get("journal_id") ?? randomUUID();
      this.set("journal_id", this.#id);
    }
    return this.#id;
  }

  /** Number of the last frame of this ring that is in the journal; undefined: the ring never had this journal. */
  ringPosition(ringId: string): number | undefined {
    const sequence = this.get(ringKey(ringId));
    return sequence === undefined ? undefined : Number(sequence);
  }

  setRingPosition({ ringId, sequence }: RingPosition): void {
    this.set(ringKey(ringId), String(sequence));
  }

  /** Rings whose frames have come here. */
  ringIds(): string[] {
    return this.startingWith(ringKey("")).map(([key]) => key.slice(ringKey("").length));
  }

  /** The ring is gone, and nothing outside of the journal holds frames of it. */
  forgetRing(ringId: string): void {
    this.forget(ringKey(ringId));
  }
}

/** The key for a ring's position. */
export function ringKey(ringId: string): string {
  return `ring:${ringId}`;
}
