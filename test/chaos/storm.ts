import { join } from "node:path";
import { startStandIn } from "../../src/stand-in/index.ts";
import { Bot } from "./bot.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { judge, type Verdict } from "./oracle.ts";
import { drain, keys, pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";
import { Weather } from "./weather.ts";

export interface StormOptions {
  /** How long faults are made. */
  durationMs: number;
  /** Processes at once, all in one directory. */
  bots: number;
  durability: "journal" | "strict";
  /** Of each process. Default: 400. */
  spansPerSecond?: number;
}

const exportTimeoutMs = 1_000;

/**
 * Everything at once: faults on the way and of the server, drawn from the seed, while several processes of one directory
 * are killed, stopped for a moment, ended in order and started again.
 */
export async function storm(
  { random, directory, signal, progress }: ScenarioContext,
  { durationMs, bots: count, durability, spansPerSecond = 400 }: StormOptions,
): Promise<ScenarioResult> {
  const server = await startStandIn();
  const proxy = await FaultProxy.start(server.url, exportTimeoutMs * 2);
  const buffer = {
    ...keys,
    baseUrl: proxy.url,
    directory: join(directory, "storm"),
    durability,
    flushInterval: 0.2,
    exportTimeoutMs,
  };
  const all: Bot[] = [];
  const killed = new Set<Bot>();
  const weather = new Weather(proxy, server, random);
  const start = (): Bot => {
    const bot = new Bot({ buffer, spansPerSecond });
    all.push(bot);
    return bot;
  };
  try {
    const living = Array.from({ length: count }, start);
    const deadlineMs = performance.now() + durationMs;
    while (performance.now() < deadlineMs && !signal.aborted) {
      await weather.turn();
      await pause(random.whole(300, 1_500));
      const index = random.whole(0, living.length - 1);
      const bot = living[index] as Bot;
      const what = random.pick(["SIGKILL", "SIGKILL", "SIGTERM", "stop", "nothing", "nothing"] as const);
      if (what === "stop") {
        bot.signal("SIGSTOP");
        await pause(random.whole(100, 700));
        bot.signal("SIGCONT");
      } else if (what !== "nothing") {
        if (what === "SIGKILL") killed.add(bot);
        await bot.end(what);
        living[index] = start();
      }
      progress(
        `${Math.max(0, Math.round((deadlineMs - performance.now()) / 1_000))} s of storm left, ${all.length} processes so far`,
      );
    }
    await weather.clear();
    for (const bot of living) {
      await bot.hasBegun();
      await bot.end("SIGTERM");
    }
    const pending = await drain(buffer);
    const arrivals = new Map(Object.entries(server.ids()));
    return account(
      all.map((bot) => ({ ...judge(bot, arrivals), isKilled: killed.has(bot) })),
      durability,
      pending,
      weather.made,
    );
  } finally {
    for (const bot of all) bot.signal("SIGKILL");
    await proxy.close();
    await server.close();
  }
}

function account(
  verdicts: readonly (Verdict & { isKilled: boolean })[],
  durability: string,
  pending: number,
  faults: Record<string, number>,
): ScenarioResult {
  const sum = (of: (verdict: Verdict) => number, among = verdicts): number =>
    among.reduce((total, each) => total + of(each), 0);
  const orderly = verdicts.filter(({ isKilled }) => !isKilled);
  const figures = {
    durability,
    processes: verdicts.length,
    killed: verdicts.length - orderly.length,
    faults,
    ended: sum(({ ended }) => ended),
    stored: sum(({ stored }) => stored),
    twice: sum(({ twice }) => twice),
    lostByKills: sum(({ lost }) => lost),
    lostOtherwise: sum(({ lost }) => lost, orderly),
    holes: sum(({ holes }) => holes),
    conservationGaps: sum((each) => each.conservationGaps),
    unhandledRejections: sum((each) => each.unhandledRejections),
    pending,
  };
  figures.lostByKills -= figures.lostOtherwise;
  const broken = (["lostOtherwise", "holes", "conservationGaps", "unhandledRejections", "pending"] as const)
    .filter((name) => figures[name] !== 0)
    .map((name) => `${name} is ${figures[name]}`);
  if (durability === "strict" && figures.lostByKills > 0)
    broken.push(`${figures.lostByKills} spans were lost by kills`);
  return { figures, broken };
}
