/** The fleet's process: many conversations at once, traced by one buffer, until told to finish. */
import { openSync, writeSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import process from "node:process";
import { type BufferedSpan, SpanBuffer } from "../../index.ts";
import { runConversation } from "./conversation.ts";
import type { FleetCommand, FleetFinished, FleetReport, FleetSetup } from "./fleet-messages.ts";

const reportEveryMs = 200;
const deliverAtMostMs = 25_000;
const turnsPerConversation = 5;

process.on("message", (command: FleetCommand) => {
  if (command.type === "start") start(command.setup);
});
// The demo is gone: so are we.
process.on("disconnect", () => process.exit(0));

function start(setup: FleetSetup): void {
  const buffer = new SpanBuffer({
    enabled: setup.baseUrl !== undefined,
    baseUrl: setup.baseUrl,
    publicKey: setup.publicKey,
    secretKey: setup.secretKey,
    directory: setup.directory,
    batchSize: setup.batchSize,
    exportConcurrency: setup.exportConcurrency,
    flushInterval: 1,
    environment: "demo",
    // The demo shows what happens in its own words.
    logger: { warn: () => undefined },
  });
  const ended = openSync(setup.endedFile, "a");
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let endMicros: number[] = [];
  let isOver = false;

  const end = (span: BufferedSpan): void => {
    const startMs = performance.now();
    span.end();
    endMicros.push((performance.now() - startMs) * 1000);
    writeSync(ended, `${span.spanId} ${Date.now()}\n`);
  };
  const report = (): void => {
    const eventLoopDelayMs = { p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
    send({ type: "report", stats: buffer.stats(), endMicros, eventLoopDelayMs });
    endMicros = [];
  };
  const reporter = setInterval(report, reportEveryMs);
  const lines = Array.from({ length: setup.conversations }, (_, line) =>
    converse(buffer, line * 1000, end, () => isOver),
  );
  process.on("message", (command: FleetCommand) => {
    if (command.type === "poison") end(buffer.startSpan("poison", { attributes: { "stand-in.poison": true } }));
    if (command.type !== "finish" || isOver) return;
    isOver = true;
    void Promise.all(lines).then(async () => {
      await buffer.flush({ timeoutMs: deliverAtMostMs });
      report();
      clearInterval(reporter);
      await buffer.shutdown();
      send({ type: "finished" });
      process.disconnect();
    });
  });
}

/** One telephone line: a conversation after the other. */
async function converse(
  buffer: SpanBuffer,
  firstNumber: number,
  end: (span: BufferedSpan) => void,
  isOver: () => boolean,
): Promise<void> {
  for (let number = firstNumber; !isOver(); number++) {
    await runConversation({ buffer, number, turns: turnsPerConversation, end, isOver });
  }
}

function send(message: FleetReport | FleetFinished): void {
  if (process.connected) process.send?.(message);
}
