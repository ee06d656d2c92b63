/**
 * The load generator: autocannon in a process of its own, one job after another. Each connection has one request under
 * way and begins the next when its answer has come, so a slow subject is asked less often (a closed loop).
 */
import process from "node:process";
import autocannon from "autocannon";
import { quantile } from "../statistics.ts";
import type { Latencies, LoadJob, LoadReply, LoadResult } from "./load-job.ts";
import { contentTypes } from "./otlp-request.ts";
import { RequestPool } from "./request-pool.ts";

/** After the end of the time, for the answers under way. */
const answerSeconds = 20;
/** How often autocannon looks whether it has come to an end. */
const lookEveryMs = 50;

/** What autocannon's client goes by, and its types leave out: it ends itself before a request beyond this number. */
interface LimitedClient {
  responseMax: number;
}

const pools = new Map<string, RequestPool>();

function poolOf({ encoding, spansPerRequest }: LoadJob): RequestPool {
  const name = `${encoding} ${spansPerRequest}`;
  const pool = pools.get(name) ?? new RequestPool(encoding, spansPerRequest);
  pools.set(name, pool);
  return pool;
}

async function run(job: LoadJob): Promise<LoadResult> {
  const pool = poolOf(job);
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  const endMs = beganMs + job.seconds * 1000;
  const latencies: number[] = [];
  const failures: Record<string, number> = {};
  const fail = (cause: string): void => {
    failures[cause] = (failures[cause] ?? 0) + 1;
  };
  let timelyAnswers = 0;
  let lastAnswerMs = beganMs;
  const options: autocannon.Options = {
    url: job.url,
    connections: job.connections,
    duration: job.seconds + answerSeconds,
    timeout: answerSeconds,
    sampleInt: lookEveryMs,
    requests: [
      {
        method: "POST",
        headers: { "content-type": contentTypes[job.encoding], authorization: job.authorization },
        setupRequest: (request) => ({ ...request, body: pool.next() }),
      },
    ],
  };
  const onAnswer = (client: autocannon.Client, status: number, latencyMs: number): void => {
    lastAnswerMs = performance.now();
    const isOver = lastAnswerMs >= endMs;
    if (status < 200 || status > 299) fail(String(status));
    else {
      // Autocannon's own histogram keeps whole milliseconds only.
      latencies.push(latencyMs);
      if (!isOver) timelyAnswers++;
    }
    // Cutting connections would leave requests of which nobody knows whether they count.
    if (isOver) (client as unknown as LimitedClient).responseMax = 1;
  };
  await new Promise<void>((resolve, reject) => {
    const load = autocannon(options, (error) => (error === null ? resolve() : reject(error as Error)));
    load.on("response", (client, status, _bytes, latencyMs) => onAnswer(client, status, latencyMs));
    load.on("reqError", (error: Error) => fail(error.message));
  });
  const { user, system } = process.cpuUsage(cpu);
  const wholeMs = performance.now() - beganMs;
  return {
    seconds: Math.min(job.seconds, (lastAnswerMs - beganMs) / 1000),
    timelyAnswers,
    answers: latencies.length,
    failures,
    latencies: latenciesOf(latencies),
    meanBodyBytes: pool.meanBodyBytes,
    generatorLoad: (user + system) / 1000 / wholeMs,
  };
}

function latenciesOf(values: number[]): Latencies | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  return {
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    p999: quantile(sorted, 0.999),
    most: sorted.at(-1) as number,
  };
}

function send(reply: LoadReply): void {
  process.send?.(reply);
}

process.once("disconnect", () => process.exit(0));
process.on("message", (job: LoadJob) => {
  run(job).then(
    (result) => send({ type: "done", result }),
    (error: unknown) => send({ type: "failed", reason: String(error) }),
  );
});
