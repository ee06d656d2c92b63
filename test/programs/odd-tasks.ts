// Export tasks that misbehave: what the payload's first byte says.
import { resourceLimits } from "node:worker_threads";
import type { ExportReport, ExportTask } from "../../src/workers/messages.ts";

const kept: Buffer[] = [];

export async function send(task: ExportTask): Promise<ExportReport> {
  const way = String.fromCharCode(task.payloads[0] as number);
  if (way === "l") for (;;);
  if (way === "n") await new Promise(() => undefined);
  if (way === "x") process.exit(3);
  if (way === "t")
    setImmediate(() => {
      throw new Error("outside of the task, on purpose");
    });
  if (way === "m") kept.push(Buffer.alloc(1024));
  // "y": what its young generation may take, in the place of what it has.
  const memoryBytes = way === "y" ? (resourceLimits.maxYoungGenerationSizeMb ?? 0) * 2 ** 20 : kept.length * 1_000_000;
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { verdict: "acknowledged", truncated: 0, requests: 1, durationMs: 1, memoryBytes };
}

export async function checkAuth(): Promise<never> {
  return await new Promise(() => undefined);
}
