/**
 * The account at the demo's end: what was ended (the fleet's own file of ids) against what the stand-in stored and what
 * lies among the dead letters. The buffer's counters play no part in it.
 */
export interface EndedSpan {
  id: string;
  endedAtMs: number;
}

export interface AccountInput {
  ended: readonly EndedSpan[];
  /** Span id → how often it arrived in requests that the stand-in accepted. */
  arrivals: ReadonlyMap<string, number>;
  deadLettered: ReadonlySet<string>;
  killedAtMs: number;
}

export interface SpanAccount {
  ended: number;
  stored: number;
  missing: number;
  twice: number;
  deadLettered: number;
  /** Of the spans that are not stored: ended in the last moments before the SIGKILL, before the journal's commit. */
  lostAtKill: number;
  /** Of `twice`: ended before the SIGKILL, so they may have been in a request that it cut off. */
  twiceAcrossKill: number;
}

/** What durability `journal` promises: a span is committed so long after `end()`, so a SIGKILL may cost that much. */
const commitWindowMs = 20;

export function makeAccount({ ended, arrivals, deadLettered, killedAtMs }: AccountInput): SpanAccount {
  const account: SpanAccount = {
    ended: ended.length,
    stored: 0,
    missing: 0,
    twice: 0,
    deadLettered: 0,
    lostAtKill: 0,
    twiceAcrossKill: 0,
  };
  for (const { id, endedAtMs } of ended) {
    const times = arrivals.get(id) ?? 0;
    const isBeforeKill = endedAtMs <= killedAtMs;
    if (times > 0) account.stored++;
    if (times > 1) account.twice++;
    if (times > 1 && isBeforeKill) account.twiceAcrossKill++;
    if (times > 0) continue;
    if (deadLettered.has(id)) account.deadLettered++;
    else if (isBeforeKill && endedAtMs >= killedAtMs - commitWindowMs) account.lostAtKill++;
    else account.missing++;
  }
  return account;
}

/** Value below which a share of the values lies; 0 for none. The array is sorted in place. */
export function quantile(values: Float64Array, share: number): number {
  values.sort();
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
}
