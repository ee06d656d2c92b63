import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { StandInProcess } from "../../src/cli/demo/stand-in-process.ts";
import { unitEnvironment } from "../deploy/deploy-files.ts";
import { HostileAccount, HostileConnection } from "./hostile-connection.ts";
import { authorization, drawBomb, drawFramed, drawSlow, drawUnframed } from "./hostile-requests.ts";
import { Random } from "./random.ts";
import { comesTrue, keys, pause, type ScenarioContext, type ScenarioResult } from "./scenario.ts";

const connections = 4;
/** At once on a connection, and how often, before it ends with one that breaks it. */
const pipelined = 16;
const turns = 2;
const perBombOrSlowBody = 1_000;
/** What a process takes for its first request of each kind it keeps: code, connections, the pieces of the allocator. */
const warmUpRequests = 50_000;
const goodEveryMs = 100;
const restMs = 15_000;
const goodP99Ms = 100;
const memoryFactor = 1.15;

/** Hostile requests at a sidecar, in a process of its own, and good ones between them. */
export async function hostile(context: ScenarioContext, requests: number): Promise<ScenarioResult> {
  const { random, directory, signal, progress } = context;
  const server = await StandInProcess.start();
  const sidecar = await SidecarProcess.start(join(directory, "hostile"), server.url, progress);
  const account = new HostileAccount();
  const good = new GoodRequests(sidecar.port, random);
  try {
    const freshMb = sidecar.memoryMb;
    await attack(sidecar, random, Math.min(warmUpRequests, requests), new HostileAccount(), signal, () => undefined);
    await good.send(50);
    await pause(restMs);
    const startMb = sidecar.memoryMb;
    const startedAtMs = performance.now();
    const isOver = new AbortController();
    const between = good.sendUntil(isOver.signal);
    let mostMb = 0;
    const sent = await attack(sidecar, random, requests, account, signal, (sent) => {
      mostMb = Math.max(mostMb, sidecar.memoryMb);
      if (sent % 25_000 < pipelined) progress(`${sent} of ${requests} sent, ${sidecar.memoryMb} MB`);
    });
    const attackedS = Math.round((performance.now() - startedAtMs) / 1_000);
    isOver.abort();
    await between;
    const { p50, p99, max } = good.latencies();
    await good.send(50);
    await pause(restMs);
    const endMb = sidecar.memoryMb;
    let stored = new Map<string, number>();
    await comesTrue(async () => {
      stored = await server.arrivals();
      progress(`${good.ids.filter((id) => !stored.has(id)).length} good spans still to be delivered`);
      return !sidecar.isAlive || good.ids.every((id) => stored.has(id));
    }, 300_000);
    const isAlive = sidecar.isAlive;
    const exitCode = await sidecar.end();
    const figures = {
      requests: sent,
      attackedS,
      requestsPerSecond: Math.round(sent / attackedS),
      answers: account.byKind,
      framedWithoutAnswer: account.unanswered,
      hanging: account.hanging,
      unavailableOtherwise: account.unavailable.length,
      errorsLogged: sidecar.errors.length,
      memoryMb: { fresh: freshMb, warm: startMb, most: mostMb, end: endMb },
      good: { sent: good.ids.length, not200: good.refused.length, p50Ms: p50, p99Ms: p99, maxMs: max },
      goodStored: good.ids.filter((id) => stored.has(id)).length,
      goodTwice: good.ids.filter((id) => (stored.get(id) ?? 0) > 1).length,
      exitCode,
    };
    const bounds: readonly [isBroken: boolean, words: string][] = [
      [!isAlive, `the sidecar ended: ${sidecar.lastWords}`],
      [isAlive && exitCode !== 0, `SIGTERM: exit code ${exitCode}`],
      [
        account.count((status) => status.startsWith("5") && status !== "503") > 0,
        "an answer was 500 or beyond, not 503",
      ],
      [account.unavailable.length > 0, `503 without need, the first: ${account.unavailable[0]}`],
      [sidecar.errors.length > 0, `an error in its log, the first: ${sidecar.errors[0]}`],
      [account.unanswered > 0, `${account.unanswered} framed requests got no answer`],
      [account.hanging > 0, `${account.hanging} connections were neither answered nor closed`],
      [endMb > startMb * memoryFactor, `memory ${startMb} MB before, ${endMb} MB after`],
      [good.refused.length > 0, `a good request was not answered 200, the first: ${good.refused[0]}`],
      [p99 > goodP99Ms, `good requests: ${p99} ms at the 99th percentile`],
      [figures.goodStored < good.ids.length, `${good.ids.length - figures.goodStored} good spans are missing`],
      [figures.goodTwice > 0, `${figures.goodTwice} good spans came twice`],
    ];
    return { figures, broken: bounds.filter(([isBroken]) => isBroken).map(([, words]) => words) };
  } finally {
    sidecar.kill();
    await server.stop();
  }
}

/** So many requests over a few connections. Resolves with their number when all have ended, the slow ones too. */
async function attack(
  sidecar: SidecarProcess,
  random: Random,
  requests: number,
  account: HostileAccount,
  signal: AbortSignal,
  onSent: (sent: number) => void,
): Promise<number> {
  // Beside the connections: slow bodies, and connections that the sidecar takes its time to close.
  const aside = new Set<Promise<void>>();
  let sent = 0;
  const isOver = (): boolean => sent >= requests || signal.aborted || !sidecar.isAlive;
  const oneConnection = async (random: Random): Promise<void> => {
    while (!isOver()) {
      const connection = new HostileConnection(sidecar.port, account);
      for (let turn = 0; turn < turns && !connection.isClosed && !isOver(); turn++) {
        const batch = Array.from({ length: Math.min(pipelined, requests - sent) }, () => drawFramed(random));
        sent += batch.length;
        await connection.pipeline(batch);
        onSent(sent);
        if (random.next() < batch.length / perBombOrSlowBody) {
          sent++;
          if (random.next() < 0.5) await connection.pipeline([drawBomb(random)]);
          else {
            const slowly = new HostileConnection(sidecar.port, account)
              .slowly(drawSlow(random), random.whole(50, 1_000), random.whole(1, 30))
              .finally(() => aside.delete(slowly));
            aside.add(slowly);
          }
        }
      }
      if (isOver() || connection.isClosed) connection.close();
      else {
        sent++;
        const ending = connection.last(drawUnframed(random)).finally(() => aside.delete(ending));
        aside.add(ending);
      }
    }
  };
  // Each draws by itself, or the draws would go by who is answered first.
  const seeds = Array.from({ length: connections }, () => random.whole(0, 2 ** 31));
  await Promise.all(seeds.map((seed) => oneConnection(new Random(seed))));
  await Promise.all(aside);
  return sent;
}

/** Sound requests of one span, and how long each took. */
class GoodRequests {
  readonly ids: string[] = [];
  readonly refused: string[] = [];
  readonly #port: number;
  readonly #random: Random;
  readonly #agent: Agent = new Agent({ keepAlive: true });
  #tookMs: number[] = [];

  constructor(port: number, random: Random) {
    this.#port = port;
    this.#random = random;
  }

  async send(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) await this.#sendOne();
    this.#tookMs = [];
  }

  /** One every so often, whether or not the last is answered. */
  async sendUntil(signal: AbortSignal): Promise<void> {
    const underWay: Promise<void>[] = [];
    while (!signal.aborted) {
      underWay.push(this.#sendOne());
      await pause(goodEveryMs);
    }
    await Promise.all(underWay);
  }

  latencies(): { p50: number; p99: number; max: number } {
    const sorted = this.#tookMs.toSorted((one, other) => one - other);
    const at = (share: number): number => Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 10) / 10;
    return { p50: at(0.5), p99: at(0.99), max: Math.round(sorted.at(-1) ?? 0) };
  }

  async #sendOne(): Promise<void> {
    const hex = (length: number): string =>
      Array.from({ length }, () => this.#random.whole(0, 15).toString(16)).join("");
    const spanId = hex(16);
    const startTimeUnixNano = `${Date.now()}000000`;
    const span = { traceId: hex(32), spanId, name: "good", startTimeUnixNano, endTimeUnixNano: startTimeUnixNano };
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
    this.ids.push(spanId);
    const sentAtMs = performance.now();
    const answer = await this.#post(body);
    this.#tookMs.push(performance.now() - sentAtMs);
    if (answer !== "200") this.refused.push(answer);
  }

  #post(body: string): Promise<string> {
    const headers = { authorization, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const target = { host: "127.0.0.1", port: this.#port, method: "POST", path: "/v1/traces", agent: this.#agent };
    return new Promise((resolve) => {
      const sending = request({ ...target, headers }, (response) => {
        response.resume();
        response.once("end", () => resolve(String(response.statusCode)));
      });
      sending.once("error", ({ message }) => resolve(message));
      sending.end(body);
    });
  }
}

class SidecarProcess {
  readonly port: number;
  readonly errors: string[] = [];
  lastWords = "";
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(directory: string, baseUrl: string, onWarning: (said: string) => void): Promise<SidecarProcess> {
    const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
    const child = spawn(process.execPath, [main, "serve", "--port", "0", "--directory", directory], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        // As it is run in earnest.
        ...unitEnvironment(),
        LANGFUSE_PUBLIC_KEY: keys.publicKey,
        LANGFUSE_SECRET_KEY: keys.secretKey,
        LANGFUSE_BASE_URL: baseUrl,
        LANGFUSE_FLUSH_INTERVAL: "1",
      },
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /^listening on \S+:(\d+)$/.exec(line)?.[1];
      if (port === undefined) continue;
      const sidecar = new SidecarProcess(child, Number(port));
      createInterface({ input: child.stderr }).on("line", (said) => {
        sidecar.lastWords = said;
        if (said.startsWith('{"level":"info"')) return;
        onWarning(said);
        // A library that prints something has found an error too.
        if (!said.startsWith('{"level":"warn"')) sidecar.errors.push(said);
      });
      return sidecar;
    }
    throw new Error("the sidecar ended before it listened");
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get memoryMb(): number {
    if (!this.isAlive) return 0;
    const kibibytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"))?.[1];
    return Math.round((Number(kibibytes) * 1024) / 1e6);
  }

  async end(): Promise<number | null> {
    if (!this.isAlive) return this.#child.exitCode;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
    return this.#child.exitCode;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
