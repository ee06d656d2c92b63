// What a program loads with NODE_OPTIONS=--import to be traced. Says in which threads it was loaded.
import process from "node:process";
import { threadId } from "node:worker_threads";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { BufferedSpanProcessor } from "../../src/otel/index.ts";

process.stdout.write(`loaded in thread ${threadId}\n`);
const provider = new BasicTracerProvider({
  spanProcessors: [
    new BufferedSpanProcessor({
      baseUrl: process.env["TEST_BASE_URL"],
      publicKey: "pk-lf-stand-in",
      secretKey: "sk-lf-stand-in",
      directory: process.env["TEST_DIRECTORY"],
      shutdownTimeoutMs: 25_000,
      logger: { warn: () => undefined },
    }),
  ],
});
provider.getTracer("preloaded").startSpan("a").end();
