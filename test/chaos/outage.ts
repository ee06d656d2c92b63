import { join } from "node:path";
import { StandInProcess } from "../../src/cli/demo/stand-in-process.ts";
import { SpanBuffer } from "../../src/index.ts";
import { comesTrue, keys, pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";

const flushInterval = 2;
const firstSpans = 50_000;
const burstSpans = 500;

/** An hour's outage, compressed: so many spans are journalled while the server is away, then all of them are delivered. */
export async function outage({ directory, signal, progress }: ScenarioContext, spans: number): Promise<ScenarioResult> {
  const server = await StandInProcess.start();
  const buffer = new SpanBuffer({
    ...keys,
    baseUrl: server.url,
    directory: join(directory, "outage"),
    maxDiskBytes: 8 * 1024 ** 3,
    flushInterval,
    logger: { warn: () => undefined },
  });
  try {
    await server.goAway();
    const input = "What is the weather like tomorrow? ".repeat(25);
    const memoryMb: number[] = [];
    const startedAtMs = performance.now();
    for (let ended = 0; ended < spans && !signal.aborted; ) {
      for (let index = 0; index < burstSpans; index++, ended++)
        buffer.startSpan("llm", { type: "generation", input }).end();
      if (ended % firstSpans === 0) {
        await comesTrue(() => buffer.stats().journalSpans >= ended, 60_000);
        memoryMb.push(process.memoryUsage().rss / 1e6);
        progress(`${ended} of ${spans} journalled, ${memoryMb.at(-1)?.toFixed(0)} MB`);
      }
      await pause(10);
    }
    const journalledS = (performance.now() - startedAtMs) / 1_000;
    await server.comeBack();
    const backAtMs = performance.now();
    await comesTrue(() => buffer.stats().state === "sending", 120_000);
    const recoveredS = (performance.now() - backAtMs) / 1_000;
    const fresh = buffer.startSpan("after the recovery");
    const freshAtMs = performance.now();
    fresh.end();
    const isFreshStored = await comesTrue(async () => (await server.arrivals()).has(fresh.spanId), 60_000);
    const freshS = (performance.now() - freshAtMs) / 1_000;
    const wholeMemoryMb: number[] = [];
    await comesTrue(() => {
      wholeMemoryMb.push(process.memoryUsage().rss / 1e6);
      const { pending } = buffer.stats();
      progress(`${pending} still to be delivered`);
      return pending === 0;
    }, 600_000);
    const drainedS = (performance.now() - backAtMs) / 1_000;
    await pause(1_000);
    const stats = buffer.stats();
    const stored = await server.arrivals();
    const figures = {
      spans,
      journalledPerSecond: Math.round(spans / journalledS),
      memoryMb: { after50000: Math.round(memoryMb[0] ?? 0), most: Math.round(Math.max(...memoryMb)) },
      memoryWhileDrainingMb: Math.round(Math.max(...wholeMemoryMb)),
      recoveredS: round(recoveredS),
      freshSpanStoredS: round(freshS),
      drainedS: round(drainedS),
      stored: stored.size,
      twice: [...stored.values()].filter((arrivals) => arrivals > 1).length,
      pending: stats.pending,
      dropped: stats.dropped,
    };
    const broken: string[] = [];
    if (figures.memoryMb.most > figures.memoryMb.after50000 * 1.2) broken.push("memory grew by more than a fifth");
    if (!isFreshStored || freshS > flushInterval + 1) broken.push(`a fresh span took ${freshS.toFixed(1)} s`);
    if (stored.size !== spans + 1) broken.push(`${spans + 1 - stored.size} spans are missing`);
    return { figures, broken };
  } finally {
    await buffer.shutdown();
    await server.stop();
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
