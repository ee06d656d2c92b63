/** One trouble after another, under load, by each way. */
import { describe, expect, test } from "vitest";
import type { Fault } from "../../src/stand-in/index.ts";
import { expectAccount, runOf, type Way, ways } from "./ways.ts";

type Sequence = Extract<Fault, { kind: "sequence" }>["faults"];
type RequestFault = NonNullable<Sequence[number]>;

const troubles: readonly RequestFault[] = [
  { kind: "hang" },
  { kind: "slow", delayMs: 1_400 },
  { kind: "reset" },
  { kind: "reset", when: "after" },
  { kind: "stalled-body" },
  { kind: "stalled-body", when: "after" },
  { kind: "unauthorized" },
  { kind: "forbidden" },
  { kind: "rate-limited", retryAfter: "0.1" },
  { kind: "error", status: 500 },
  { kind: "error", status: 502 },
  { kind: "html" },
  { kind: "html", status: 400 },
  { kind: "empty" },
  { kind: "too-large", limitBytes: 6_000 },
];
const partialTroubles: readonly RequestFault[] = [
  { kind: "partial", status: 500 },
  { kind: "partial", status: 401 },
  { kind: "partial", status: 429 },
];

/** Each trouble twice, with right answers between, in an order that the seed decides. */
function mixture(way: Way, seed: number): Sequence {
  const once = way.transport === "ingestion" ? [...troubles, ...partialTroubles] : troubles;
  const pool: (RequestFault | null)[] = [...once, ...once, ...once.map(() => null)];
  let state = seed;
  for (let index = pool.length - 1; index > 0; index--) {
    state = (state * 48_271) % 2_147_483_647;
    const other = state % (index + 1);
    [pool[index], pool[other]] = [pool[other] ?? null, pool[index] ?? null];
  }
  return pool;
}

describe.each(ways)("$name", (way) => {
  test.each([7])("every trouble mixed (seed %i): an account without a hole", { timeout: 60_000 }, async (seed) => {
    const run = await runOf(way);
    const faults = mixture(way, seed);
    await run.server.setFault({ kind: "sequence", faults });
    run.endPoison(2);
    let hurriedAtMs = 0;
    await run.loadUntil(() => {
      if (performance.now() - hurriedAtMs > 100) {
        hurriedAtMs = performance.now();
        void run.buffer.flush({ timeoutMs: 100 });
      }
      return run.requests().length >= faults.length;
    });
    run.endPoison(2);
    await run.drain();
    expectAccount(run);
    expect(Object.keys(run.server.mayComeAgain()).length).toBeGreaterThan(0);
    expect(run.buffer.stats()).toMatchObject({ state: "sending" });
  });

  test("429 upon 429: each wait is as long as was asked, flush() or not", async () => {
    const run = await runOf(way, { flushInterval: 0.05 });
    await run.server.setFault({ kind: "rate-limited", retryAfter: "1", times: 6 });
    run.end(200);
    await run.drain();
    expectAccount(run);
    const refused = run.requests().filter(({ status }) => status === 429);
    const firstAtMs = refused[0]?.atMs ?? 0;
    // The first wave went out together; then one probe after each pause, on clocks of two threads.
    const waveCount = refused.filter(({ atMs }) => atMs < firstAtMs + 500).length;
    expect(waveCount).toBeLessThanOrEqual(4);
    expect(refused.length).toBe(6);
    const probes = run.requests().slice(waveCount, waveCount + 1 + refused.length - waveCount);
    const lastOfWave = refused[waveCount - 1];
    const gaps = probes.map(({ atMs }, index) => atMs - (probes[index - 1] ?? lastOfWave ?? { atMs: 0 }).atMs);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(990);
    expect(run.states.has("backing-off")).toBe(true);
  });
});

test.each(["sdk", "direct"] as const)(
  "an older server without the OTLP route (%s): the other route, said once",
  async (sender) => {
    const run = await runOf(
      { name: sender, transport: "ingestion", options: { transport: "otlp", sender } },
      { exportTimeoutMs: 5_000 },
    );
    run.end(500);
    await run.drain();
    expectAccount(run);
    expect(run.said.filter((text) => text.includes("changed to the ingestion route")).length).toBe(1);
    expect(run.server.account().requestsByStatus[404]).toBeLessThanOrEqual(4);
  },
);

test("a newer server that refuses traces by ingestion: the other route", async () => {
  const run = await runOf(
    { name: "ingestion", transport: "otlp", options: { transport: "ingestion" } },
    { exportTimeoutMs: 5_000 },
  );
  run.end(500);
  await run.drain();
  expectAccount(run);
  expect(run.said.filter((text) => text.includes("changed to the otlp route")).length).toBe(1);
});

test("a 404 in passing does not lead astray: each route sends to the other, then all is well", async () => {
  const run = await runOf({ name: "otlp", transport: "otlp", options: { transport: "otlp" } });
  await run.server.setFault({ kind: "not-found", times: 3, routes: ["/api/public/otel/v1/traces"] });
  run.end(300);
  await run.drain();
  expectAccount(run);
});
