import { createServer } from "node:net";
import { join } from "node:path";
import { StandInProcess } from "../../src/cli/demo/stand-in-process.ts";
import { SidecarProcess } from "../interop/sidecar.ts";
import { comesTrue, pause, type ScenarioContext } from "./scenario.ts";
import { type SentRequest, SidecarLoad, spanIdsOf } from "./sidecar-load.ts";

const flushInterval = 0.2;
/** What is left waits at most a minute for the next attempt, and is sent in less. */
const deliveryLimitMs = 120_000;
const lookEveryMs = 500;

/** What became of the spans, held against what the stand-in stored. */
export interface SidecarAccount {
  requests: number;
  /** With 200. */
  answered: number;
  /** With another status, by it; "none": without a whole answer. */
  otherwise: Record<string, number>;
  /** Spans of requests answered 200. */
  promised: number;
  missing: number;
  /** Of requests that were not answered 200; nothing was promised. */
  storedBeside: number;
  /** Spans stored by more than one request. */
  twice: number;
  /** How often a span came that had come before. */
  repeated: number;
  /** Of the sidecar's orderly end. */
  exitCode: number | null;
}

/** A stand-in, a sidecar before it, each in a process of its own, and a load on the sidecar. */
export class SidecarSite {
  readonly server: StandInProcess;
  readonly sidecar: SidecarProcess;
  readonly load: SidecarLoad;

  private constructor(server: StandInProcess, sidecar: SidecarProcess) {
    this.server = server;
    this.sidecar = sidecar;
    this.load = new SidecarLoad(sidecar.url);
  }

  /** Resolves when the sidecar listens and the load begins. */
  static async start({ random, directory }: ScenarioContext): Promise<SidecarSite> {
    const server = await StandInProcess.start();
    const options = { langfuseUrl: server.url, directory: join(directory, "sidecar"), flushInterval };
    // Below the ports that systems lend for connections: while the sidecar is away, nobody may be lent its own.
    let port = random.whole(20_000, 30_000);
    while (!(await isFree(port))) port++;
    const sidecar = new SidecarProcess(options, port);
    try {
      await sidecar.start();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return new SidecarSite(server, sidecar);
  }

  /** Ends the load, waits for everything promised, ends the sidecar in order; then nothing is on its way any more. */
  async settle(): Promise<SidecarAccount> {
    const { load, server, sidecar } = this;
    await load.stop();
    const answered = load.requests.filter(({ status }) => status === 200);
    const promised = answered.flatMap(({ number }) => spanIdsOf(number));
    await comesTrue(async () => {
      await pause(lookEveryMs);
      if ((await server.storedCount()) < promised.length) return false;
      const stored = await server.arrivals();
      return promised.every((id) => stored.has(id));
    }, deliveryLimitMs);
    const exitCode = await sidecar.stop();
    const arrivals = await server.arrivals();
    const counts = [...arrivals.values()];
    const missing = promised.filter((id) => !arrivals.has(id)).length;
    return {
      requests: load.requests.length,
      answered: answered.length,
      otherwise: countByStatus(load.requests),
      promised: promised.length,
      missing,
      storedBeside: arrivals.size - (promised.length - missing),
      twice: counts.filter((count) => count > 1).length,
      repeated: counts.reduce((sum, count) => sum + count - 1, 0),
      exitCode,
    };
  }

  async close(): Promise<void> {
    await this.load.stop();
    await this.sidecar.kill();
    await this.server.stop();
  }
}

function countByStatus(requests: readonly SentRequest[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of requests) {
    if (status !== 200) counts[status ?? "none"] = (counts[status ?? "none"] ?? 0) + 1;
  }
  return counts;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (isListening) await new Promise((resolve) => server.close(resolve));
  return isListening;
}
