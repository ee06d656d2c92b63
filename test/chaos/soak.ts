import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "../../src/buffer/sqlite.ts";
import { startStandIn } from "../../src/stand-in/index.ts";
import { unitEnvironment } from "../deploy/deploy-files.ts";
import { Bot } from "./bot.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { judge } from "./oracle.ts";
import { comesTrue, drain, keys, pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";
import { SmallDisk } from "./small-disk.ts";
import { Weather } from "./weather.ts";

export interface SoakOptions {
  /** How long faults are made. */
  durationMs: number;
  /** Of the bot that lives through it. Default: 300. */
  spansPerSecond?: number;
}

/** What a process holds. */
interface Holdings {
  descriptors: number;
  threads: number;
  listeners: number;
  activeResources: number;
  memoryMb: number;
  /** Of everything in the directory. */
  filesKb: number;
}

/** Healthy before and after: connections opened, backlog gone, for so long. */
const calmMs = 30_000;

/** Of a batch interval, at this rate. */
const fewSpans = 1_000;

/** The longest that a backlog may take to go: the buffer may wait a minute before it tries again. */
const drainLimitMs = 180_000;

/** Faults before the first look: what a process takes for its first fault of each kind, heaps above all, it keeps. */
const warmUpMs = 120_000;

/** Before them: after a failure the buffer waits up to a minute, so few backlogs of the run are longer than this one's. */
const warmUpOutageMs = 60_000;
const exportTimeoutMs = 1_000;

/**
 * As deploy/ has it; but V8 lets the young generation of the bot's own thread grow from 4 to 64 MB within a quarter of an
 * hour, whatever the buffer does (docs/operations.md): this is the size that the buffer's threads have.
 */
const environment = { ...unitEnvironment(), NODE_OPTIONS: "--max-semi-space-size=4" };
const diskMebibytes = 128;

/**
 * A day compressed: one process lives through a fault each few seconds, on the way, of the server, of the disk and of its
 * neighbours in the directory, and holds in the end what it held in the beginning.
 */
export async function soak(
  { random, directory, signal, progress }: ScenarioContext,
  { durationMs, spansPerSecond = 300 }: SoakOptions,
): Promise<ScenarioResult> {
  const server = await startStandIn();
  const proxy = await FaultProxy.start(server.url, exportTimeoutMs * 2);
  const disk = SmallDisk.mount(join(directory, "disk"), diskMebibytes);
  const state = join(disk?.directory ?? directory, "state");
  mkdirSync(state);
  const weather = new Weather(proxy, server, random);
  const buffer = { ...keys, baseUrl: proxy.url, directory: state, flushInterval: 0.2, exportTimeoutMs };
  const bot = new Bot({ buffer, spansPerSecond }, { environment });
  const neighbours: Bot[] = [];
  const others: Record<string, number> = {};
  /** Of the run at hand, one for each fault. */
  let memoryMb: number[] = [];
  const happen = async (what: string): Promise<void> => {
    others[what] = (others[what] ?? 0) + 1;
    if (what === "stopped") {
      bot.signal("SIGSTOP");
      await pause(random.whole(100, 2_000));
      bot.signal("SIGCONT");
    } else if (what === "neighbour killed") {
      const neighbour = new Bot({ buffer, spansPerSecond: 100 });
      neighbours.push(neighbour);
      await neighbour.hasBegun();
      await pause(random.whole(100, 1_500));
      await neighbour.end("SIGKILL");
    } else if (what === "disk full") {
      disk?.fill();
      await pause(random.whole(1_000, 3_000));
      disk?.free();
    }
  };
  const faultsFor = async (forMs: number): Promise<void> => {
    const deadlineMs = performance.now() + forMs;
    memoryMb = [];
    while (performance.now() < deadlineMs && !signal.aborted && bot.isRunning) {
      await weather.turn();
      await pause(random.whole(300, 1_500));
      // A day has more fair weather than foul; without any the backlog alone would fill disk and memory.
      await weather.clear();
      await pause(random.whole(1_000, 3_000));
      await happen(
        random.pick(["stopped", "neighbour killed", disk === undefined ? "nothing" : "disk full", "nothing"]),
      );
      const { memoryMb: nowMb } = holdingsOf(bot, state);
      memoryMb.push(nowMb);
      progress(`${Math.max(0, Math.round((deadlineMs - performance.now()) / 1_000))} s left, ${nowMb} MB`);
    }
  };
  try {
    await bot.hasBegun();
    proxy.set("refuse");
    await pause(Math.min(warmUpOutageMs, durationMs));
    await weather.clear();
    await faultsFor(Math.min(warmUpMs, durationMs));
    await calm(state);
    const before = holdingsOf(bot, state);
    await faultsFor(durationMs);
    await calm(state);
    const wasRunning = bot.isRunning;
    const after = holdingsOf(bot, state);
    await bot.end("SIGTERM");
    const pending = await drain(buffer);
    const arrivals = new Map(Object.entries(server.ids()));
    const verdict = judge(bot, arrivals);
    const neighboursLost = neighbours.reduce((sum, each) => sum + judge(each, arrivals).holes, 0);
    const quarter = Math.ceil(memoryMb.length / 4);
    const firstQuarterLeastMb = Math.min(...memoryMb.slice(0, quarter));
    const lastQuarterLeastMb = Math.min(...memoryMb.slice(-quarter));
    const figures = {
      seconds: Math.round(durationMs / 1_000),
      faults: { ...weather.made, ...others },
      before,
      after,
      memoryMb: { mostMb: Math.max(...memoryMb), firstQuarterLeastMb, lastQuarterLeastMb },
      ...verdict,
      neighbours: neighbours.length,
      neighboursLost,
      pending,
    };
    const broken: string[] = [];
    const demand = (holds: boolean, what: string): void => {
      if (!holds) broken.push(what);
    };
    demand(wasRunning, "the process did not live through it");
    for (const name of ["threads", "listeners"] as const)
      demand(after[name] === before[name], `${name}: ${after[name]} at the end, ${before[name]} at the start`);
    // A connection more or less, a timer that is due or not.
    for (const name of ["descriptors", "activeResources"] as const)
      demand(after[name] <= before[name] + 4, `${name}: ${after[name]} at the end, ${before[name]} at the start`);
    demand(after.memoryMb <= before.memoryMb * 1.2, `${after.memoryMb} MB at the end, ${before.memoryMb} at the start`);
    // Memory goes up with each backlog and comes back minutes later, when V8 collects: what is kept is the least of many looks.
    demand(
      lastQuarterLeastMb <= firstQuarterLeastMb * 1.2,
      `at least ${lastQuarterLeastMb} MB in the last quarter, ${firstQuarterLeastMb} in the first`,
    );
    demand(after.filesKb <= before.filesKb + 8_192, `${after.filesKb} KB of files, ${before.filesKb} at the start`);
    demand(pending === 0, `${pending} spans were not delivered in the end`);
    demand(verdict.lost === 0, `${verdict.lost} spans are lost`);
    demand(neighboursLost === 0, `${neighboursLost} spans of killed neighbours are lost before the tail`);
    demand(verdict.conservationGaps === 0, `${verdict.conservationGaps} samples were not conserved`);
    demand(verdict.unhandledRejections === 0, `${verdict.unhandledRejections} unhandled rejections`);
    return { figures, broken };
  } finally {
    for (const each of [bot, ...neighbours]) each.signal("SIGKILL");
    await proxy.close();
    await server.close();
    disk?.unmount();
  }
}

/** What waits takes memory and disk, as it should: the two looks are at a process that has nothing to catch up with. */
async function calm(state: string): Promise<void> {
  await comesTrue(() => waitingIn(state) < fewSpans, drainLimitMs);
  await pause(calmMs);
}

/** Spans in the journals of a folder; infinitely many while one is being made or taken over. */
function waitingIn(state: string): number {
  const files = readdirSync(state).filter((name) => /^journal-\d+\.sqlite$/.test(name));
  try {
    return files.map((name) => spansIn(join(state, name))).reduce((sum, count) => sum + count, 0);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function spansIn(file: string): number {
  const database = openDatabase(file, { readonly: true, busyTimeoutMs: 1_000 });
  try {
    return database.prepare<[], number>("SELECT count(*) FROM spans").pluck().get() ?? 0;
  } finally {
    database.close();
  }
}

function holdingsOf(bot: Bot, directory: string): Holdings {
  const own = `/proc/${bot.pid}`;
  const memoryKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`${own}/status`, "utf8"))?.[1] ?? 0);
  return {
    descriptors: readdirSync(`${own}/fd`).length,
    threads: readdirSync(`${own}/task`).length,
    ...bot.report().census,
    memoryMb: Math.round(memoryKb / 1_024),
    filesKb: Math.round(sizeOf(directory) / 1_024),
  };
}

function sizeOf(directory: string): number {
  return readdirSync(directory).reduce(
    (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
