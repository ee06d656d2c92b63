import { onTestFinished } from "vitest";
import { SpanBuffer, type SpanBufferOptions, type SpanBufferStats } from "../../src/index.ts";
import { type StandIn, startStandIn } from "../../src/stand-in/index.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

type StandInOptions = NonNullable<Parameters<typeof startStandIn>[0]>;

/** A stand-in on a free port, gone when the test ends. */
export async function standIn(options: StandInOptions = {}): Promise<StandIn> {
  const server = await startStandIn(options);
  onTestFinished(() => server.close());
  return server;
}

/** A buffer with a folder of its own and the stand-in's keys, shut down when the test ends. */
export function bufferFor(baseUrl: string, options: SpanBufferOptions = {}): SpanBuffer {
  const buffer = new SpanBuffer({
    baseUrl,
    publicKey: "pk-lf-stand-in",
    secretKey: "sk-lf-stand-in",
    directory: temporaryDirectory(),
    flushInterval: 0.05,
    logger: { warn: () => undefined },
    ...options,
  });
  onTestFinished(async () => {
    await buffer.shutdown({ timeoutMs: 2_000 });
  });
  return buffer;
}

/** P2: what was accepted is somewhere, and only once. */
export function missingFromAccount(stats: SpanBufferStats): number {
  const dropped = Object.values(stats.dropped).reduce((sum, count) => sum + count, 0);
  return stats.accepted - stats.acknowledged - stats.pending - stats.deadLettered - dropped;
}

/** Waits until the condition holds; the test's own time limit is the bound. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Ended and remembered by its id. */
export function endSpans(buffer: SpanBuffer, count: number, name = "span"): string[] {
  return Array.from({ length: count }, (_, index) => {
    const span = buffer.startSpan(name, { input: { index } });
    span.end();
    return span.spanId;
  });
}
