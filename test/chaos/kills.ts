import { join } from "node:path";
import { StandInProcess } from "../../src/cli/demo/stand-in-process.ts";
import { Bot } from "./bot.ts";
import { judge, quantile, type Verdict } from "./oracle.ts";
import { drain, keys, pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";
import { type SentAgain, UnderWay } from "./under-way.ts";

export interface KillsOptions {
  rounds: number;
  durability: "journal" | "strict";
  /** Default: 5,000. */
  spansPerSecond?: number;
}

const batchSize = 100;
const exportConcurrency = 4;
const mostUnderWay = exportConcurrency * batchSize;
/** Short lives at this rate leave more than they send: without a pause `maxDiskBytes` would be reached in the end. */
const roundsBetweenDrains = 50;
/** P3. */
const maxTailMs = 20;

/**
 * SIGKILL at random moments at 5,000 spans a second, exports running. Each process starts on what the one before has
 * left; a last one delivers the rest. The server lives on, in a process of its own.
 */
export async function kills(
  { random, directory, signal, progress }: ScenarioContext,
  { rounds, durability, spansPerSecond = 5_000 }: KillsOptions,
): Promise<ScenarioResult> {
  const server = await StandInProcess.start();
  const buffer = {
    ...keys,
    baseUrl: server.url,
    directory: join(directory, durability),
    durability,
    batchSize,
    exportConcurrency,
    flushInterval: 0.2,
  };
  const bots: Bot[] = [];
  const underWay = new UnderWay(server);
  let pending = 0;
  try {
    for (let round = 1; round <= rounds && !signal.aborted; round++) {
      const bot = new Bot({ buffer, spansPerSecond });
      bots.push(bot);
      await bot.hasBegun();
      await pause(random.whole(300, 1_000));
      await bot.end("SIGKILL");
      await underWay.killed();
      if (round % roundsBetweenDrains === 0) pending += await drain(buffer);
      if (round % 10 === 0) progress(`${durability}: ${round} of ${rounds} kills`);
    }
    pending += await drain(buffer);
    const arrivals = await server.arrivals();
    return account(
      bots.map((bot) => judge(bot, arrivals)),
      durability,
      pending,
      underWay.sentAgain(arrivals),
    );
  } finally {
    for (const bot of bots) bot.signal("SIGKILL");
    await server.stop();
  }
}

function account(
  verdicts: readonly Verdict[],
  durability: string,
  pending: number,
  { byKill, most, repeated }: SentAgain,
): ScenarioResult {
  const sum = (of: (verdict: Verdict) => number): number => verdicts.reduce((total, each) => total + of(each), 0);
  const tails = verdicts.map(({ lostTailMs }) => lostTailMs);
  const tailMs = Object.fromEntries(
    [0.5, 0.9, 0.95, 0.99, 1].map((share) => [`p${share * 100}`, round(quantile(tails, share))]),
  );
  const figures = {
    durability,
    rounds: verdicts.length,
    ended: sum(({ ended }) => ended),
    stored: sum(({ stored }) => stored),
    lost: sum(({ lost }) => lost),
    holes: sum(({ holes }) => holes),
    lostTailMs: tailMs,
    longestTails: verdicts
      .toSorted((a, b) => b.lostTailMs - a.lostTailMs)
      .slice(0, 5)
      .map(({ lostTailMs, livedMs }) => `${round(lostTailMs)} ms of a life of ${round(livedMs)}`),
    roundsBeyond20Ms: tails.filter((each) => each > maxTailMs).length,
    twice: sum(({ twice }) => twice),
    repeated,
    sentAgainByKill: { p50: quantile(byKill, 0.5), p90: quantile(byKill, 0.9), most },
    conservationGaps: sum((each) => each.conservationGaps),
    unhandledRejections: sum((each) => each.unhandledRejections),
    pending,
  };
  const broken: string[] = [];
  const demand = (holds: boolean, what: string): void => {
    if (!holds) broken.push(`${durability}: ${what}`);
  };
  demand(figures.holes === 0, `${figures.holes} spans are missing although later ones were stored`);
  demand(durability !== "strict" || figures.lost === 0, `${figures.lost} spans are lost`);
  demand(figures.roundsBeyond20Ms <= verdicts.length / 100, `${figures.roundsBeyond20Ms} rounds lost more than 20 ms`);
  demand(most <= mostUnderWay, `${most} spans that a kill had under way were sent again, not at most ${mostUnderWay}`);
  demand(repeated <= mostUnderWay * verdicts.length, `${repeated} were sent again, more than ${mostUnderWay} a kill`);
  demand(figures.conservationGaps === 0, `${figures.conservationGaps} samples were not conserved`);
  demand(figures.unhandledRejections === 0, `${figures.unhandledRejections} unhandled rejections`);
  demand(pending === 0, `${pending} spans were not delivered in the end`);
  return { figures, broken };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
