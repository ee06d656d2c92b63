import process from "node:process";
import { type StandInOptions, startStandIn } from "./index.ts";

/** Runs a stand-in until SIGTERM, SIGINT or the end of the process that started it. */
export async function serveStandIn(options: StandInOptions): Promise<void> {
  const standIn = await startStandIn(options);
  const lines = [
    `listening on ${standIn.url}`,
    ...(standIn.controlUrl === undefined ? [] : [`control on ${standIn.controlUrl}`]),
    "point a bot at it:",
    `  LANGFUSE_BASE_URL=${standIn.url} LANGFUSE_PUBLIC_KEY=pk-lf-stand-in LANGFUSE_SECRET_KEY=sk-lf-stand-in`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  await new Promise<void>((resolve) => {
    const stop = (): void => resolve();
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
    if (process.send !== undefined) process.once("disconnect", stop);
  });
  await standIn.close();
  if (process.connected) process.disconnect();
}
