import { quantile } from "./oracle.ts";
import { pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";
import type { SentRequest } from "./sidecar-load.ts";
import { SidecarSite } from "./sidecar-site.ts";

/** What a process does for the first time takes longer, whether Langfuse is there or not. */
const warmUpSeconds = 10;
const upSeconds = 15;
/** Of load after the outage, while the backlog is delivered. */
const recoverySeconds = 10;
/** The 99th percentile of the answers' latency with Langfuse away, by that with it there. */
const maxSlowdown = 3;

/** Langfuse goes away for so long, under 200 requests a second to the sidecar: its callers do not notice. */
export async function sidecarOutage(context: ScenarioContext, awaySeconds: number): Promise<ScenarioResult> {
  const { signal, progress } = context;
  const site = await SidecarSite.start(context);
  try {
    const { load, server } = site;
    const pass = async (what: string, seconds: number): Promise<Phase> => {
      const fromMs = performance.now();
      for (let second = 0; second < seconds && !signal.aborted; second++) await pause(1_000);
      progress(`${what} ${seconds} s: ${load.answered} of ${load.requests.length} requests answered`);
      return { fromMs, toMs: performance.now() };
    };
    await pass("warm-up", warmUpSeconds);
    const up = await pass("up", upSeconds);
    await server.goAway();
    const away = await pass("away", awaySeconds);
    const storedWhileAway = await server.storedCount();
    await server.comeBack();
    const recovery = await pass("back", recoverySeconds);
    const stoppedAtMs = performance.now();
    const account = await site.settle();
    const latencies = {
      up: latenciesOf(load.requests, up),
      away: latenciesOf(load.requests, away),
      recovery: latenciesOf(load.requests, recovery),
    };
    const figures = {
      awaySeconds,
      ...account,
      waitingAtTheReturn: load.requests.filter(({ sentAtMs }) => sentAtMs < away.toMs).length * 10 - storedWhileAway,
      latencyMs: latencies,
      p99AwayByUp: tenths(latencies.away.p99 / latencies.up.p99),
      settledS: tenths((performance.now() - stoppedAtMs) / 1_000),
    };
    const broken: string[] = [];
    const demand = (holds: boolean, what: string): void => {
      if (!holds) broken.push(what);
    };
    const others = account.requests - account.answered;
    demand(others === 0, `${others} requests were not answered 200: ${JSON.stringify(account.otherwise)}`);
    demand(account.missing === 0, `${account.missing} spans are missing`);
    demand(account.twice === 0, `${account.twice} spans are stored twice`);
    demand(
      latencies.away.p99 <= maxSlowdown * latencies.up.p99,
      `the 99th percentile is ${latencies.away.p99} ms with Langfuse away, ${latencies.up.p99} ms with it there`,
    );
    demand(account.exitCode === 0, `the sidecar ended with ${account.exitCode}`);
    return { figures, broken };
  } finally {
    await site.close();
  }
}

interface Phase {
  fromMs: number;
  toMs: number;
}

function latenciesOf(
  requests: readonly SentRequest[],
  { fromMs, toMs }: Phase,
): { requests: number; p50: number; p99: number; most: number } {
  const values = requests
    .filter(({ sentAtMs }) => sentAtMs >= fromMs && sentAtMs < toMs)
    .flatMap(({ latencyMs }) => latencyMs ?? []);
  return {
    requests: values.length,
    p50: tenths(quantile(values, 0.5)),
    p99: tenths(quantile(values, 0.99)),
    most: tenths(quantile(values, 1)),
  };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
