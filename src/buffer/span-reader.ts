import { DamagedRowsError } from "./damage.ts";
import { PackedPayloads } from "./packed-payloads.ts";
import { SpanRun } from "./span-run.ts";
import type { SqliteDatabase, SqliteStatement } from "./sqlite.ts";

/** What a read is to bring, at most. */
export interface ReadLimits {
  fromId: number;
  throughId: number;
  maxSpans: number;
  maxBytes: number;
  /** Bring one span even if it is larger than `maxBytes`. */
  atLeastOne: boolean;
}

/** One row. */
export interface StoredSpan {
  id: number;
  /** Milliseconds since 1970. */
  acceptedAtMs: number;
  /** To be looked at before the next row is asked for: its memory is given back then. */
  payload: Buffer;
}

/** Read in one step by whoever reads everything. */
const stepSpans = 500;
const stepBytes = 1024 * 1024;

/** Reads a journal's spans. Methods throw the driver's `SqliteError`. */
export class SpanReader {
  readonly #select: SqliteStatement<[number, number, number], [id: number, acceptedAtMs: number, payload: Buffer]>;
  readonly #selectAcceptedAt: SqliteStatement<[number, number], number>;
  readonly #selectNth: SqliteStatement<[number, number, number], number>;

  constructor(database: SqliteDatabase) {
    this.#select = database
      .prepare<[number, number, number], [number, number, Buffer]>(
        "SELECT id, accepted_at_ms, payload FROM spans WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
      )
      .raw();
    this.#selectAcceptedAt = database
      .prepare<[number, number], number>(
        "SELECT accepted_at_ms FROM spans WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1",
      )
      .pluck();
    this.#selectNth = database
      .prepare<[number, number, number], number>(
        "SELECT id FROM spans WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1 OFFSET ?",
      )
      .pluck();
  }

  /** Spans between two ids, oldest first, within the limits. `isAll`: there are no more between these ids. */
  read(limits: ReadLimits): { runs: SpanRun[]; isAll: boolean } {
    const ids: number[] = [];
    const acceptedAtMs: number[] = [];
    const payloads: Buffer[] = [];
    let bytes = 0;
    let isAll = true;
    // Leaving the loop closes the statement: an open one would block every write on this connection.
    for (const row of this.#select.iterate(limits.fromId, limits.throughId, limits.maxSpans + 1)) {
      const isSound = typeof row[1] === "number" && Buffer.isBuffer(row[2]) && row[0] > (ids.at(-1) ?? -Infinity);
      if (!isSound) throw new DamagedRowsError(`row ${row[0]} is none of ours`);
      bytes += row[2].length;
      const mayExceed = limits.atLeastOne && ids.length === 0;
      if (ids.length === limits.maxSpans || (bytes > limits.maxBytes && !mayExceed)) {
        isAll = false;
        break;
      }
      ids.push(row[0]);
      acceptedAtMs.push(row[1]);
      payloads.push(row[2]);
    }
    const packed = PackedPayloads.of(payloads);
    const runs: SpanRun[] = [];
    for (let from = 0; from < ids.length; ) {
      let to = from + 1;
      while (ids[to] === (ids[to - 1] as number) + 1 && acceptedAtMs[to] === acceptedAtMs[from]) to++;
      runs.push(new SpanRun(ids[from] as number, acceptedAtMs[from] as number, packed, true, from, to));
      from = to;
    }
    return { runs, isAll };
  }

  /** Every span, oldest first, read in small steps: none keeps a writer waiting. */
  *all(): Generator<StoredSpan> {
    const throughId = Number.MAX_SAFE_INTEGER;
    for (let fromId = Number.MIN_SAFE_INTEGER, isAll = false; !isAll; ) {
      const read = this.read({ fromId, throughId, maxSpans: stepSpans, maxBytes: stepBytes, atLeastOne: true });
      for (const run of read.runs) {
        for (let index = 0; index < run.count; index++) {
          yield { id: run.firstId + index, acceptedAtMs: run.acceptedAtMs, payload: run.payload(index) };
        }
        run.release();
      }
      fromId = (read.runs.at(-1)?.lastId ?? throughId) + 1;
      isAll = read.isAll;
    }
  }

  /** When the oldest span between two ids was accepted; undefined when there is none. */
  acceptedAtMs(fromId: number, throughId: number): number | undefined {
    return this.#selectAcceptedAt.get(fromId, throughId);
  }

  /** The id of the nth span between two ids; undefined: there are not so many. */
  nthId(fromId: number, throughId: number, nth: number): number | undefined {
    return this.#selectNth.get(fromId, throughId, nth - 1);
  }
}
