import type { SqliteDatabase, SqliteStatement } from "./sqlite.ts";

/** Ids beyond any that a journal has. */
const maxId = 2 ** 40;

/** How far beyond what can be read is looked for more, when nobody knows how many rows there were. */
const defaultReach = 20_000;

/** Failed reads after which nothing more is looked for: each costs some 20 µs. */
const maxFailures = 200_000;

type Statement<Row> = SqliteStatement<number[], Row>;

/**
 * Every row of a damaged table that SQLite can still read, in any order, some of them twice. The table is read from both
 * ends up to the first row that cannot be had. What lies between is looked through upwards; where that fails, id by id,
 * because a page that is bad says nothing about the next.
 *
 * @param table its rows have an integer key `id`.
 * @param expected how many rows there were, if that is known.
 */
export function* readableRows<Row extends { id: number }>(
  database: SqliteDatabase,
  columns: string,
  table: string,
  expected: number | undefined,
): Generator<Row> {
  const select = `SELECT ${columns} FROM ${table} WHERE id`;
  const up = prepared<Row>(database, `${select} >= ? ORDER BY id`);
  const down = prepared<Row>(database, `${select} <= ? ORDER BY id DESC`);
  const one = prepared<Row>(database, `${select} = ?`);
  if (up === undefined || down === undefined || one === undefined) return;
  const low = yield* scan(up, -maxId, 1);
  if (low === undefined) return;
  const high = yield* scan(down, maxId, -1);
  if (high === undefined) return;
  // With an end that cannot be read there is no telling where the ids begin or end: they are as good as dense.
  const reach = expected === undefined ? defaultReach : 4 * expected;
  const through = high < maxId ? high : (low > -maxId ? low : 0) + reach;
  yield* between(up, one, low > -maxId ? low : through - 2 * reach, through);
}

function* between<Row extends { id: number }>(
  up: Statement<Row>,
  one: Statement<Row>,
  from: number,
  through: number,
): Generator<Row> {
  for (let next = from, failures = 0; next <= through; ) {
    const failedAt = yield* scan(up, next, 1);
    if (failedAt === undefined) return;
    // An id that was overwritten may seem to be anywhere.
    if (failedAt <= through) next = Math.max(next, failedAt);
    for (let hasAnswered = false; !hasAnswered && next <= through; next++) {
      if (++failures > maxFailures) return;
      try {
        const row = one.get(next);
        if (row !== undefined) yield row;
        hasAnswered = true;
      } catch {
        // Not this one.
      }
    }
  }
}

/**
 * Rows in order until one cannot be read or is out of order, as an overwritten id makes it or the next one. Returns the
 * first id that was not reached, or behind which the order is in doubt; undefined: all were.
 */
function* scan<Row extends { id: number }>(
  statement: Statement<Row>,
  from: number,
  step: 1 | -1,
): Generator<Row, number | undefined> {
  let sure = from;
  let next = from;
  try {
    for (const row of statement.iterate(from)) {
      if ((row.id - next) * step < 0) return sure;
      if (Math.abs(row.id) > maxId) return next;
      sure = next;
      next = row.id + step;
      yield row;
    }
    return undefined;
  } catch {
    return next;
  }
}

/** Undefined: not even the schema can be read. */
function prepared<Row>(database: SqliteDatabase, sql: string): Statement<Row> | undefined {
  try {
    return database.prepare<number[], Row>(sql);
  } catch {
    return undefined;
  }
}
