import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { killRunning } from "./processes.ts";

/** Makes an empty folder for the run. However the run ends, the folder goes, and the processes that are still running. */
export function makeWorkFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "span-buffer-bench-"));
  process.on("exit", () => {
    killRunning();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  // Without a handler a signal would end the runner past its exit handler.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  return folder;
}
