// A program that makes a buffer, ends some spans and then ends in the way it is told: the subject of exit.test.ts.
import process from "node:process";
import { SpanBuffer } from "../../src/index.ts";

const [way = "", baseUrl = "", directory = "", count = "1", durability = "journal", ringBytes = ""] =
  process.argv.slice(2);
const buffer = new SpanBuffer({
  baseUrl,
  publicKey: "pk-lf-stand-in",
  secretKey: "sk-lf-stand-in",
  directory,
  batchSize: 1_000,
  durability: durability as "journal" | "strict" | "overflow",
  ...(ringBytes === "" ? {} : { ringBytes: Number(ringBytes) }),
  // Delivery at the end has a limit; here it is not to be a race with a busy machine.
  ...(way === "return-patiently" ? { shutdownTimeoutMs: 25_000 } : {}),
  ...(way === "auth-check" ? { exportTimeoutMs: 100 } : {}),
  logger: { warn: () => undefined },
});
for (let index = 0; index < Number(count); index++) buffer.startSpan(way, { input: { index } }).end();

switch (way) {
  case "return":
  case "return-patiently":
    break;
  case "auth-check":
    // By then a pump that crashes at every start has been given up.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    process.stdout.write(`${JSON.stringify(await buffer.authCheck())}\n`);
    break;
  case "exit":
    process.exit(0);
  case "exit-later":
    // Taken by the pump, but not old enough to be sent.
    setTimeout(() => process.exit(0), 500);
    break;
  case "exit-under-way":
    void buffer.flush({ timeoutMs: 5_000 });
    // When the test says that the server has the request.
    process.stdin.on("end", () => process.exit(0)).resume();
    break;
  case "throw":
    throw new Error("uncaught on purpose");
  case "reject":
    void Promise.reject(new Error("unhandled on purpose"));
    break;
  case "signal":
    // Keeps the process alive until the test has sent its signal.
    setInterval(() => undefined, 1_000);
    process.stdout.write("ready\n");
    break;
  case "kill":
    process.kill(process.pid, "SIGKILL");
    break;
  case "kill-later":
    // The first ones are committed by then, the others not.
    setTimeout(() => {
      for (let index = 0; index < Number(count); index++) buffer.startSpan(way).end();
      process.kill(process.pid, "SIGKILL");
    }, 400);
    break;
  case "own-handler":
    process.on("SIGTERM", () => {
      buffer.startSpan("last words").end();
      process.exit(3);
    });
    setInterval(() => undefined, 1_000);
    process.stdout.write("ready\n");
    break;
}
