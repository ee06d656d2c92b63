import { constants } from "node:os";
import process from "node:process";
import type { ResolvedSidecarOptions } from "../../server/options.ts";
import { type Sidecar, startSidecar } from "../../server/serve.ts";
import { returnMemoryOfAllThreads } from "../../workers/memory-return.ts";

const endSignals = ["SIGTERM", "SIGINT"] as const;

/**
 * Runs a sidecar until SIGTERM or SIGINT, then ends the process with 0. A second signal ends it at once; what is in the
 * journals stays there. SIGHUP reads keys and certificate again.
 */
export async function runSidecar(options: ResolvedSidecarOptions): Promise<void> {
  // Before anything is started: with listeners of its own the process decides about its end, not the buffers.
  const told = endSignal();
  let running: Sidecar | undefined;
  // While it starts there is nothing to read again.
  process.on("SIGHUP", () => void running?.reload());
  returnMemoryOfAllThreads();
  const sidecar = await startSidecar(options);
  running = sidecar;
  process.stdout.write(`listening on ${sidecar.url}\n`);
  await told;
  await sidecar.close(options.buffer.shutdownTimeoutMs);
  process.exit(0);
}

function endSignal(): Promise<void> {
  let isTold = false;
  return new Promise((resolve) => {
    for (const name of endSignals) {
      process.on(name, () => {
        if (isTold) process.exit(128 + constants.signals[name]);
        isTold = true;
        resolve();
      });
    }
  });
}
