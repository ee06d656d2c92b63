/** The demo: a fleet of voice bots, an outage, a crash and a poison span, and what Langfuse has at the end. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EndedSpan, makeAccount, quantile, type SpanAccount } from "./account.ts";
import { deadLetteredIds } from "./dead-letters.ts";
import type { FleetSetup } from "./fleet-messages.ts";
import { FleetProcess } from "./fleet-process.ts";
import { print, Screen } from "./screen.ts";
import { StandInProcess } from "./stand-in-process.ts";

export interface DemoOptions {
  /** Close with the account as one JSON object on a line. */
  json: boolean;
  conversations: number;
}

/** The times of the play, in milliseconds. */
const untracedMs = 4_000;
const fairWeatherMs = 5_000;
const outageMs = 11_000;
const backfillMs = 4_000;
const afterKillMs = 6_000;
const lookEveryMs = 250;

const batchSize = 100;
const exportConcurrency = 4;

interface Micros {
  p50: number;
  p99: number;
  max: number;
}

interface Demo {
  standIn: StandInProcess;
  screen: Screen;
  setup: FleetSetup;
  phase: string;
  fleet: FleetProcess | undefined;
  backlogPeak: number;
}

/** Runs the demo. Returns the exit code: 1 when a span is missing, or came twice without the crash to blame. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "span-buffer-demo-"));
  const standIn = await StandInProcess.start();
  const screen = new Screen();
  const setup: FleetSetup = {
    baseUrl: standIn.url,
    directory: join(directory, "journal"),
    publicKey: "pk-lf-stand-in",
    secretKey: "sk-lf-stand-in",
    conversations: options.conversations,
    batchSize,
    exportConcurrency,
    endedFile: join(directory, "ended.txt"),
  };
  const demo: Demo = { standIn, screen, setup, phase: "", fleet: undefined, backlogPeak: 0 };
  try {
    const untraced = await runUntraced(demo, directory);
    const { killedAtMs, fleets } = await runTraced(demo);
    screen.stop();
    const account = makeAccount({
      ended: readEnded(setup.endedFile),
      arrivals: await standIn.arrivals(),
      deadLettered: deadLetteredIds(setup.directory),
      killedAtMs,
    });
    return report(options, account, microsOf(fleets), microsOf([untraced]), fleets, untraced);
  } finally {
    screen.stop();
    await demo.fleet?.kill();
    await standIn.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The same bots without tracing: which pauses are not the buffer's. */
async function runUntraced(demo: Demo, directory: string): Promise<FleetProcess> {
  demo.screen.announce(`${demo.setup.conversations} conversations at once without tracing, for comparison`);
  const fleet = new FleetProcess({ ...demo.setup, baseUrl: undefined, endedFile: join(directory, "untraced.txt") });
  demo.fleet = fleet;
  await look(demo, "without tracing", untracedMs);
  await fleet.finish();
  return fleet;
}

async function runTraced(demo: Demo): Promise<{ killedAtMs: number; fleets: FleetProcess[] }> {
  const { standIn, screen, setup } = demo;
  writeFileSync(setup.endedFile, "");
  screen.announce("the same with tracing; Langfuse is there");
  const first = new FleetProcess(setup);
  demo.fleet = first;
  await look(demo, "sending", fairWeatherMs);
  screen.announce("one poison span, which Langfuse refuses together with its whole batch");
  first.sendPoison();
  await look(demo, "poison", 1_500);
  screen.announce(`Langfuse goes away for ${outageMs / 1000} s`);
  await standIn.goAway();
  await look(demo, "Langfuse is away", outageMs);
  demo.backlogPeak = first.last?.stats.pending ?? 0;
  screen.announce(`Langfuse is back; ${demo.backlogPeak} spans wait`);
  await standIn.comeBack();
  await look(demo, "backfill", backfillMs);
  demo.backlogPeak = 0;
  screen.announce("SIGKILL: the bots' process is gone, and another starts in its place");
  const killedAtMs = await first.kill();
  const second = new FleetProcess(setup);
  demo.fleet = second;
  await look(demo, "after the crash", afterKillMs);
  screen.announce("the conversations end");
  const finished = second.finish();
  await lookUntil(demo, "last spans", finished);
  return { killedAtMs, fleets: [first, second] };
}

/** Shows the state of things for a while. */
async function look(demo: Demo, phase: string, durationMs: number): Promise<void> {
  await lookUntil(demo, phase, sleep(durationMs));
}

async function lookUntil(demo: Demo, phase: string, end: Promise<unknown>): Promise<void> {
  let isOver = false;
  const over = end.then(() => {
    isOver = true;
  });
  let storedBefore = await demo.standIn.storedCount();
  let atMs = performance.now();
  while (!isOver) {
    await Promise.race([over, sleep(lookEveryMs)]);
    const stored = await demo.standIn.storedCount();
    const nowMs = performance.now();
    const storedPerSecond = ((stored - storedBefore) / Math.max(1, nowMs - atMs)) * 1000;
    demo.screen.show({ phase, stored, storedPerSecond, stats: demo.fleet?.last?.stats, backlogPeak: demo.backlogPeak });
    storedBefore = stored;
    atMs = nowMs;
  }
  await over;
}

function report(
  options: DemoOptions,
  account: SpanAccount,
  enqueueMicros: Micros,
  untracedMicros: Micros,
  fleets: FleetProcess[],
  untraced: FleetProcess,
): number {
  const eventLoopDelayMs = { traced: delayOf(fleets), untraced: delayOf([untraced]) };
  const twiceLimit = exportConcurrency * batchSize;
  const isGood =
    account.missing === 0 && account.twice === account.twiceAcrossKill && account.twiceAcrossKill <= twiceLimit;
  print("");
  print("The account, from what Langfuse stored:");
  print(`  ended          ${account.ended}`);
  print(`  stored         ${account.stored}`);
  print(`  missing        ${account.missing}`);
  print(`  stored twice   ${account.twice} (under way at the SIGKILL; at most ${twiceLimit})`);
  print(`  dead-lettered  ${account.deadLettered} (the poison span)`);
  print(`  lost at kill   ${account.lostAtKill} (ended within 20 ms before the SIGKILL, not yet committed)`);
  print(
    `  end()          p50 ${micros(enqueueMicros.p50)}, p99 ${micros(enqueueMicros.p99)}, longest ${micros(enqueueMicros.max)}`,
  );
  print(
    `  end() without  p50 ${micros(untracedMicros.p50)}, p99 ${micros(untracedMicros.p99)}, longest ${micros(untracedMicros.max)}`,
  );
  for (const [name, { p99, max }] of Object.entries(eventLoopDelayMs)) {
    print(`  event loop     ${name.padEnd(8)} delay p99 ${p99.toFixed(2)} ms, longest ${max.toFixed(2)} ms`);
  }
  print(isGood ? "Nothing is missing." : "NOT AS PROMISED: see above.");
  if (options.json) {
    print(
      JSON.stringify({
        ended: account.ended,
        stored: account.stored,
        missing: account.missing,
        twice: account.twice,
        deadLettered: account.deadLettered,
        lostAtKill: account.lostAtKill,
        enqueueMicros,
        untracedMicros,
        eventLoopDelayMs,
      }),
    );
  }
  return isGood ? 0 : 1;
}

/** The worst of several processes, in milliseconds: what also a bot without tracing suffers from GC and neighbours. */
function delayOf(fleets: readonly FleetProcess[]): { p99: number; max: number } {
  const delays = fleets.map((fleet) => fleet.last?.eventLoopDelayMs ?? { p99: 0, max: 0 });
  return { p99: Math.max(...delays.map(({ p99 }) => p99)), max: Math.max(...delays.map(({ max }) => max)) };
}

function microsOf(fleets: readonly FleetProcess[]): Micros {
  const values = Float64Array.from(fleets.flatMap((fleet) => fleet.endMicros));
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99), max: values.at(-1) ?? 0 };
}

function micros(value: number): string {
  return `${value.toFixed(1)} µs`;
}

function readEnded(file: string): EndedSpan[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [id = "", endedAtMs = "0"] = line.split(" ");
      return { id, endedAtMs: Number(endedAtMs) };
    });
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
