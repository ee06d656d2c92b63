import { join } from "node:path";
import { SpanBuffer } from "../../src/index.ts";
import { startStandIn } from "../../src/stand-in/index.ts";
import { Bot } from "./bot.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { judge } from "./oracle.ts";
import { comesTrue, keys, pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";

/** Where a process is killed, and at which of the times that it comes there. */
const killPoints: Readonly<Record<string, readonly [least: number, most: number]>> = {
  "ring-written": [1, 400],
  "before-commit": [1, 60],
  "in-commit": [2, 60],
  "after-commit": [1, 60],
  "request-sent": [1, 8],
  "answer-received": [1, 8],
  "before-delete": [1, 10],
  "after-delete": [1, 10],
  recovery: [1, 2],
  migration: [1, 1],
  checkpoint: [1, 300],
};

const spansPerSecond = 2_000;

/** Kills processes at named points, each of them `times` times, all on one directory; a last one delivers the rest. */
export async function points(
  { random, directory, signal, progress }: ScenarioContext,
  { times, durability }: { times: number; durability: "journal" | "strict" },
): Promise<ScenarioResult> {
  const server = await startStandIn();
  const proxy = await FaultProxy.start(server.url, 0);
  const buffer = { ...keys, baseUrl: proxy.url, durability, flushInterval: 0.1, exportTimeoutMs: 2_000 };
  const rounds: { point: string; bot: Bot }[] = [];
  const alive: string[] = [];
  const directories = new Set<string>();
  try {
    for (let time = 1; time <= times && !signal.aborted; time++) {
      for (const [point, [least, most]] of Object.entries(killPoints)) {
        const nth = random.whole(least, most);
        // A migration wants a new file each time.
        const folder = join(directory, point === "migration" ? `new-${time}` : "shared");
        directories.add(folder);
        const bot = new Bot(
          { buffer: { ...buffer, directory: folder }, spansPerSecond },
          { killPoint: `${point}:${nth}` },
        );
        rounds.push({ point, bot });
        const isDead = await dies(bot, point, nth, proxy);
        if (!isDead) alive.push(`${point}:${nth}`);
        await bot.end("SIGKILL");
        progress(`${durability}: ${rounds.length} of ${times * Object.keys(killPoints).length} kills, at ${point}`);
      }
    }
    let pending = 0;
    for (const folder of directories) {
      const last = new SpanBuffer({ ...buffer, directory: folder, logger: { warn: () => undefined } });
      await pause(500);
      // Other journals are taken over a little at a time.
      await comesTrue(() => last.stats().pending === 0, 5_000);
      pending += (await last.flush({ timeoutMs: 60_000 })).pending;
      await last.shutdown();
    }
    const arrivals = new Map(Object.entries(server.ids()));
    const verdicts = rounds.map(({ point, bot }) => ({ point, ...judge(bot, arrivals) }));
    const byPoint = Object.fromEntries(
      Object.keys(killPoints).map((point) => {
        const own = verdicts.filter((verdict) => verdict.point === point);
        const sum = (name: "ended" | "lost" | "holes" | "twice"): number =>
          own.reduce((total, each) => total + each[name], 0);
        return [
          point,
          { kills: own.length, ended: sum("ended"), lost: sum("lost"), holes: sum("holes"), twice: sum("twice") },
        ];
      }),
    );
    const broken = verdicts
      .filter(({ holes, lost }) => holes > 0 || (durability === "strict" && lost > 0))
      .map(({ point, holes, lost }) => `${durability}, ${point}: ${lost} lost, ${holes} of them before stored ones`);
    if (pending > 0) broken.push(`${durability}: ${pending} spans were not delivered in the end`);
    return { figures: { durability, byPoint, notReached: alive, pending }, broken };
  } finally {
    for (const { bot } of rounds) bot.signal("SIGKILL");
    await proxy.close();
    await server.close();
  }
}

/** Waits until it has killed itself, or kills it at the moments that only we see. */
async function dies(bot: Bot, point: string, nth: number, proxy: FaultProxy): Promise<boolean> {
  if (point === "ring-written") {
    await comesTrue(() => bot.report().spans.length >= nth, 5_000);
    bot.signal("SIGKILL");
  } else if (point === "request-sent" || point === "answer-received") {
    let seen = 0;
    proxy.onTraffic = (what) => {
      if (what === point && ++seen === nth) bot.signal("SIGKILL");
    };
  } else if (point === "checkpoint") {
    await bot.hasBegun();
    await pause(nth);
    bot.signal("SIGKILL");
  }
  const isDead = await comesTrue(() => !bot.isRunning, 4_000);
  proxy.onTraffic = undefined;
  return isDead;
}
