import type { Bot, EndedSpan } from "./bot.ts";

/** What became of the spans of one process, held against what the server stored. */
export interface Verdict {
  ended: number;
  stored: number;
  /** Stored by more than one request. */
  twice: number;
  lost: number;
  /** Lost spans after which the same process ended one that was stored. */
  holes: number;
  /** From the first span of the lost tail to the last that ended, in milliseconds; 0: no tail was lost. */
  lostTailMs: number;
  /** From the first span to the last, in milliseconds. */
  livedMs: number;
  conservationGaps: number;
  unhandledRejections: number;
}

/** @param arrivals of every stored span id: in how many requests it came. */
export function judge(bot: Bot, arrivals: ReadonlyMap<string, number>): Verdict {
  const { spans, conservationGaps, unhandledRejections } = bot.report();
  const isStored = ({ id }: EndedSpan): boolean => arrivals.has(id);
  const lastStored = spans.findLastIndex(isStored);
  const firstOfTail = spans[lastStored + 1];
  const lost = spans.filter((span) => !isStored(span)).length;
  return {
    ended: spans.length,
    stored: spans.length - lost,
    twice: spans.filter(({ id }) => (arrivals.get(id) ?? 0) > 1).length,
    lost,
    holes: spans.slice(0, lastStored + 1).filter((span) => !isStored(span)).length,
    lostTailMs: firstOfTail === undefined ? 0 : (spans.at(-1) as EndedSpan).endedAtMs - firstOfTail.endedAtMs,
    livedMs: (spans.at(-1)?.endedAtMs ?? 0) - (spans[0]?.endedAtMs ?? 0),
    conservationGaps,
    unhandledRejections,
  };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
