import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFirstBacklog, prepareBacklog } from "../../bench/backlog.ts";
import { Sink } from "../../bench/sink-handle.ts";
import { benchKeys } from "../../bench/subject.ts";
import type { BacklogProcessOptions, Inserted } from "./backlog-process.ts";
import { quantile } from "./oracle.ts";
import { pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";

const processFile = fileURLToPath(new URL("./backlog-process.ts", import.meta.url));
const turns = 5;
/** Of the drain the first are left out: the start after an outage is made step by step. */
const drained = { from: 10_000, to: 50_000 };
const insertSpans = 40_000;
const drainTimeoutMs = 60_000;

interface Rates {
  insertedPerSecond: number;
  drainedPerSecond: number;
}

/**
 * Insert and drain rates with so many spans waiting, side by side: on a journal of that size the same spans are inserted
 * while the server is away, and as many are delivered when it is back. A process of its own for each, in turns.
 */
export async function backlog(
  { directory, signal, progress }: ScenarioContext,
  sizes: readonly number[],
): Promise<ScenarioResult> {
  const sink = new Sink();
  const rates = new Map<number, Rates[]>(sizes.map((size) => [size, []]));
  try {
    const seed = join(directory, "seed");
    await makeFirstBacklog(seed, "stt");
    for (let turn = 1; turn <= turns; turn++) {
      for (const size of turn % 2 === 0 ? sizes.toReversed() : sizes) {
        if (signal.aborted) break;
        const folder = join(directory, String(size));
        cpSync(seed, folder, { recursive: true });
        const one = await measure(sink, folder, size);
        rates.get(size)?.push(one);
        rmSync(folder, { recursive: true });
        progress(`turn ${turn} of ${turns}, ${size} waiting: ${JSON.stringify(one)}`);
      }
    }
  } finally {
    await sink.stop();
  }
  const median = (size: number, of: keyof Rates): number =>
    quantile(rates.get(size)?.map((each) => each[of]) ?? [], 0.5);
  const medians = Object.fromEntries(
    sizes.map((size) => [
      size,
      { insertedPerSecond: median(size, "insertedPerSecond"), drainedPerSecond: median(size, "drainedPerSecond") },
    ]),
  );
  const [first = 0, last = 0] = [sizes[0], sizes.at(-1)];
  const broken = (["insertedPerSecond", "drainedPerSecond"] as const)
    .map((name) => ({ name, share: median(last, name) / median(first, name) }))
    .filter(({ share }) => !(share >= 0.85))
    .map(({ name, share }) => `${name} with ${last} waiting is ${share.toFixed(2)} of that with ${first}`);
  return { figures: { medians, turns: Object.fromEntries(rates) }, broken };
}

async function measure(sink: Sink, folder: string, size: number): Promise<Rates> {
  const gate = await sink.open({});
  prepareBacklog(folder, size, gate.baseUrl);
  await gate.leave();
  const buffer = {
    ...benchKeys,
    baseUrl: gate.baseUrl,
    directory: folder,
    maxDiskBytes: 4 * 2 ** 30,
    flushInterval: 0.2,
  };
  const options: BacklogProcessOptions = { buffer, size, spans: insertSpans };
  const child = fork(processFile, [JSON.stringify(options)], { execArgv: [] });
  try {
    const { insertedPerSecond } = await wordOf(child);
    await gate.return();
    const deadlineMs = performance.now() + drainTimeoutMs;
    for (;;) {
      const { timeline } = await gate.read();
      const reached = (count: number): number => timeline.findIndex(([, spans]) => spans >= count);
      const [from, to] = [reached(drained.from), reached(drained.to)];
      const [start, end] = [timeline[from], timeline[to]];
      if (start !== undefined && end !== undefined) {
        const perSecond = ((end[1] - start[1]) / (end[0] - start[0])) * 1_000;
        return { insertedPerSecond, drainedPerSecond: Math.round(perSecond) };
      }
      if (performance.now() > deadlineMs) throw new Error(`${timeline.at(-1)?.[1] ?? 0} spans came, not ${drained.to}`);
      await pause(50);
    }
  } finally {
    const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await gone;
    await gate.close();
  }
}

async function wordOf(child: ChildProcess): Promise<Inserted> {
  const ended = once(child, "exit").then(() => {
    throw new Error("the process ended before it had inserted anything");
  });
  const [word] = (await Promise.race([once(child, "message"), ended])) as [Inserted];
  return word;
}
