import { comesTrue, pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";
import { SidecarSite } from "./sidecar-site.ts";
import { UnderWay } from "./under-way.ts";

/** The sidecar's defaults: what may be in flight to Langfuse at a kill. */
const batchSize = 100;
const exportConcurrency = 4;
const mostUnderWay = exportConcurrency * batchSize;
const firstAnswerLimitMs = 20_000;

/**
 * SIGKILL of the sidecar at random moments under 200 requests a second, started again at once with the same port and
 * directory. The requests go on meanwhile, and none is repeated.
 */
export async function sidecarKills(context: ScenarioContext, rounds: number): Promise<ScenarioResult> {
  const { random, signal, progress } = context;
  const site = await SidecarSite.start(context);
  let kills = 0;
  let endedByThemselves = 0;
  let silentRounds = 0;
  try {
    const { sidecar, load, server } = site;
    const beganAtMs = performance.now();
    const underWay = new UnderWay(server);
    while (kills < rounds && !signal.aborted) {
      await pause(random.whole(300, 1_000));
      if (!sidecar.isRunning) endedByThemselves++;
      await sidecar.kill();
      kills++;
      await underWay.killed();
      await sidecar.start();
      const answeredBefore = load.answered;
      if (!(await comesTrue(() => load.answered > answeredBefore, firstAnswerLimitMs))) silentRounds++;
      if (kills % 10 === 0) progress(`${kills} of ${rounds} kills, ${load.answered} requests answered`);
    }
    const secondsARound = (performance.now() - beganAtMs) / 1_000 / Math.max(1, kills);
    const account = await site.settle();
    const { most } = underWay.sentAgain(await server.arrivals());
    const figures = {
      kills,
      secondsARound: Math.round(secondsARound * 100) / 100,
      ...account,
      mostSentAgainOfAKill: most,
      endedByThemselves,
      silentRounds,
    };
    const broken: string[] = [];
    const demand = (holds: boolean, what: string): void => {
      if (!holds) broken.push(what);
    };
    demand(account.missing === 0, `${account.missing} spans are missing although their request was answered 200`);
    demand(
      most <= mostUnderWay,
      `${most} spans that a kill had under way were sent again, not at most ${mostUnderWay}`,
    );
    const { repeated } = account;
    demand(repeated <= mostUnderWay * kills, `${repeated} were sent again, more than ${mostUnderWay} a kill`);
    // 503 promises nothing; no request gives reason for anything else.
    const others = Object.keys(account.otherwise).filter((status) => status !== "none" && status !== "503");
    demand(others.length === 0, `requests were answered ${others.join(", ")}`);
    demand(endedByThemselves === 0, `${endedByThemselves} sidecars ended before they were killed`);
    demand(silentRounds === 0, `${silentRounds} sidecars answered nothing`);
    demand(account.exitCode === 0, `the last sidecar ended with ${account.exitCode}`);
    return { figures, broken };
  } finally {
    await site.close();
  }
}
