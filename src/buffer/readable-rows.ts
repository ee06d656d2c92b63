import type { SqliteDatabase, SqliteStatement } from "./sqlite.ts";

/** Ids beyond any that a journal has. */
const maxId = 2 ** 40;

/** How far beyond what can be read is looked for more, when nobody knows how many rows there were. */
const defaultReach = 20_000;

/** Ids asked for one by one: each costs some 20 µs. */
const maxLookUps = 200_000;

type Statement<Row> = SqliteStatement<number[], Row>;

/** Ids, both ends included. */
interface IdRange {
  from: number;
  through: number;
}

/**
 * Every row of a damaged table that SQLite can still read, in any order, some of them twice. The table is read from both
 * ends up to the first row that cannot be had. What lies between is looked through upwards; where that fails, id by id,
 * because a page that is bad says nothing about the next. What was passed over on the way is looked up in the end: an id
 * that was overwritten seems to be anywhere, and who goes on behind it misses what is before.
 *
 * @param columns alternatives, the best first: a damaged schema may know some names only.
 * @param table its rows have an integer key `id`.
 * @param expected how many rows there were, if that is known.
 */
export function* readableRows<Row extends { id: number }>(
  database: SqliteDatabase,
  columns: readonly string[],
  table: string,
  expected: number | undefined,
): Generator<Row> {
  for (const each of columns) {
    const select = `SELECT ${each} FROM ${table} WHERE id`;
    const up = prepared<Row>(database, `${select} >= ? ORDER BY id`);
    const down = prepared<Row>(database, `${select} <= ? ORDER BY id DESC`);
    const one = prepared<Row>(database, `${select} = ?`);
    if (up === undefined || down === undefined || one === undefined) continue;
    yield* new Reading(up, down, one, expected).rows();
    return;
  }
}

class Reading<Row extends { id: number }> {
  readonly #up: Statement<Row>;
  readonly #down: Statement<Row>;
  readonly #one: Statement<Row>;
  /** With an end that cannot be read there is no telling where the ids begin or end: they are as good as dense. */
  readonly #reach: number;
  /** What scans have passed over, and what they have read. */
  readonly #gaps: IdRange[] = [];
  readonly #runs: IdRange[] = [];
  #lookUpsLeft = maxLookUps;

  constructor(up: Statement<Row>, down: Statement<Row>, one: Statement<Row>, expected: number | undefined) {
    this.#up = up;
    this.#down = down;
    this.#one = one;
    this.#reach = expected === undefined ? defaultReach : 4 * expected;
  }

  *rows(): Generator<Row> {
    const low = yield* this.#scan(this.#up, -maxId, 1);
    if (low === undefined) return;
    const high = yield* this.#scan(this.#down, maxId, -1);
    if (high === undefined) return;
    const reach = this.#reach;
    const through = high < maxId ? high : (low > -maxId ? low : 0) + reach;
    yield* this.#between(low > -maxId ? low : through - 2 * reach, through);
    this.#runs.sort((a, b) => a.from - b.from);
    for (const { from, through: last } of this.#gaps) {
      yield* this.#lookUp(from, Math.min(last, from + reach));
      yield* this.#lookUp(Math.max(from + reach + 1, last - reach), last);
    }
  }

  *#between(from: number, through: number): Generator<Row> {
    for (let next = from; next <= through; ) {
      const failedAt = yield* this.#scan(this.#up, next, 1);
      if (failedAt === undefined) return;
      if (failedAt <= through) next = Math.max(next, failedAt);
      for (let hasAnswered = false; !hasAnswered && next <= through; next++) {
        if (this.#lookUpsLeft-- <= 0) return;
        try {
          const row = this.#one.get(next);
          if (row !== undefined) yield row;
          hasAnswered = true;
        } catch {
          // Not this one.
        }
      }
    }
  }

  *#lookUp(from: number, through: number): Generator<Row> {
    for (let id = from; id <= through && this.#lookUpsLeft-- > 0; id++) {
      const run = this.#runs.findLast((each) => each.from <= id);
      if (run !== undefined && id <= run.through) {
        id = run.through;
        continue;
      }
      try {
        const row = this.#one.get(id);
        if (row !== undefined) yield row;
      } catch {
        // Not this one.
      }
    }
  }

  /**
   * Rows in order until one cannot be read or is out of order, as an overwritten id makes it or the next one. Returns
   * the first id that was not reached, or behind which the order is in doubt; undefined: all were.
   */
  *#scan(statement: Statement<Row>, from: number, step: 1 | -1): Generator<Row, number | undefined> {
    let sure = from;
    let next = from;
    let run: IdRange = { from: Number.NaN, through: Number.NaN };
    try {
      for (const row of statement.iterate(from)) {
        if ((row.id - next) * step < 0) return sure;
        if (Math.abs(row.id) > maxId) return next;
        if (row.id !== next && Math.abs(next) < maxId) this.#gaps.push(rangeOf(next, row.id - step));
        if (row.id === run.through + 1) run.through++;
        else if (row.id === run.from - 1) run.from--;
        else this.#runs.push((run = { from: row.id, through: row.id }));
        sure = next;
        next = row.id + step;
        yield row;
      }
      return undefined;
    } catch {
      return next;
    }
  }
}

function rangeOf(one: number, other: number): IdRange {
  return { from: Math.min(one, other), through: Math.max(one, other) };
}

/** Undefined: not even the schema can be read. */
function prepared<Row>(database: SqliteDatabase, sql: string): Statement<Row> | undefined {
  try {
    return database.prepare<number[], Row>(sql);
  } catch {
    return undefined;
  }
}
