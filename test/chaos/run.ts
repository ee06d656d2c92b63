// npm run chaos: scenarios that end in an account. The seed is printed; the same seed draws the same faults.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { backlog } from "./backlog.ts";
import { runDamage } from "./damage.ts";
import { hostile } from "./hostile.ts";
import { kills } from "./kills.ts";
import { outage } from "./outage.ts";
import { points } from "./points.ts";
import { Random } from "./random.ts";
import type { ScenarioContext, ScenarioResult } from "./scenario.ts";
import { sidecarKills } from "./sidecar-kills.ts";
import { sidecarOutage } from "./sidecar-outage.ts";
import { soak } from "./soak.ts";
import { storm } from "./storm.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string", multiple: true, default: [] },
    minutes: { type: "string", default: "2" },
    rate: { type: "string", default: "5000" },
    rounds: { type: "string" },
    seconds: { type: "string", default: "60" },
    times: { type: "string", default: "10" },
    count: { type: "string", default: "500" },
    journal: { type: "string", multiple: true },
    spans: { type: "string", default: "1000000" },
    backlog: { type: "string", multiple: true, default: ["10000", "100000", "1000000"] },
    requests: { type: "string", default: "1000000" },
    bots: { type: "string", default: "2" },
    durability: { type: "string", multiple: true, default: ["journal", "strict"] },
  },
});

const durabilities = values.durability as ("journal" | "strict")[];

const scenarios: Record<string, (context: ScenarioContext) => Promise<ScenarioResult[]>> = {
  kills: (context) =>
    inTurn(durabilities, (durability) =>
      kills(context, { rounds: Number(values.rounds ?? 100), durability, spansPerSecond: Number(values.rate) }),
    ),
  storm: (context) => {
    const durationMs = Number(values.minutes) * 60_000;
    return inTurn(durabilities, (durability) => storm(context, { durationMs, bots: Number(values.bots), durability }));
  },
  points: (context) =>
    inTurn(durabilities, (durability) => points(context, { times: Number(values.times), durability })),
  damage: async ({ seed, directory, progress }) => {
    const onProgress = (done: number): void => progress(`${done} of ${values.count} damaged journals`);
    const account = await runDamage({
      seed,
      count: Number(values.count),
      directory,
      ...(values.journal === undefined ? {} : { only: values.journal.map(Number) }),
      onProgress,
    });
    return [{ figures: { ...account }, broken: account.failures }];
  },
  soak: async (context) => [await soak(context, { durationMs: Number(values.minutes) * 60_000 })],
  backlog: async (context) => [await backlog(context, values.backlog.map(Number))],
  outage: async (context) => [await outage(context, Number(values.spans))],
  hostile: async (context) => [await hostile(context, Number(values.requests))],
  "sidecar-outage": async (context) => [await sidecarOutage(context, Number(values.seconds))],
  "sidecar-kills": async (context) => [await sidecarKills(context, Number(values.rounds ?? 50))],
};

async function inTurn<Item, Result>(
  items: readonly Item[],
  action: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await action(item));
  return results;
}

const names = values.only.length > 0 ? values.only : Object.keys(scenarios);
const unknown = names.filter((name) => !(name in scenarios));
if (unknown.length > 0) {
  process.stderr.write(`no scenario ${unknown.join(", ")}: there are ${Object.keys(scenarios).join(", ")}\n`);
  process.exit(2);
}
const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
const seed = Number(values.seed);
process.stdout.write(`seed ${seed}\n`);
const results: Record<string, ScenarioResult[]> = {};
for (const name of names) {
  const directory = mkdtempSync(join(tmpdir(), "span-buffer-chaos-"));
  const progress = (text: string): void => void process.stderr.write(`${name}: ${text}\n`);
  try {
    const context = { random: new Random(seed), seed, directory, signal: interrupted.signal, progress };
    results[name] = await (scenarios[name] as (typeof scenarios)[string])(context);
    for (const { figures, broken } of results[name]) {
      process.stdout.write(`${name} ${JSON.stringify(figures, undefined, 2)}\n`);
      for (const bound of broken) process.stdout.write(`BROKEN ${name}: ${bound}\n`);
      if (broken.length > 0) process.exitCode = 1;
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  if (interrupted.signal.aborted) break;
}
const folder = fileURLToPath(new URL("results/", import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, `${seed}-${names.join("-")}.json`), `${JSON.stringify({ seed, results }, undefined, 2)}\n`);
