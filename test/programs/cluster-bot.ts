// A bot of several processes: the primary has a buffer when it forks; each worker has its own, and ends in another way.
import cluster from "node:cluster";
import { once } from "node:events";
import process from "node:process";
import { SpanBuffer } from "../../src/index.ts";

const [baseUrl = "", directory = ""] = process.argv.slice(2);
const buffer = new SpanBuffer({
  baseUrl,
  publicKey: "pk-lf-stand-in",
  secretKey: "sk-lf-stand-in",
  directory,
  batchSize: 1_000,
  logger: { warn: () => undefined },
});
const way = process.env["BOT_END"] ?? "primary";
for (let index = 0; index < 100; index++) buffer.startSpan(way).end();

if (cluster.isPrimary) {
  const workers = ["exit", "disconnect", "signal"].map((end) => cluster.fork({ BOT_END: end }));
  await Promise.all(
    workers.map(async (worker, index) => {
      const ended = once(worker, "exit");
      if (index === 2) {
        await once(worker, "message");
        worker.process.kill("SIGTERM");
      }
      const [code, signal] = (await ended) as [number, string];
      process.stdout.write(`${signal || code}\n`);
    }),
  );
} else if (way === "exit") process.exit(0);
else if (way === "disconnect") cluster.worker?.disconnect();
else process.send?.("ready");
