import type { AttachedRings } from "./attached-rings.ts";
import type { SharedCounters } from "./buffer/counters.ts";
import type { CrashLog } from "./buffer/crash-log.ts";
import type { Intake } from "./buffer/intake.ts";
import { writeSpill } from "./buffer/spill.ts";
import type { ResolvedOptions } from "./options.ts";
import type { PumpHandle } from "./workers/pump-handle.ts";

/** A commit that is under way when the time is over gets so much more. */
const lastCommitMs = 250;

export interface SettlementParts {
  options: Pick<ResolvedOptions, "directory" | "crashLogDirectory" | "baseUrl" | "publicKey">;
  intake: Intake;
  attached: AttachedRings;
  counters: SharedCounters;
  pump: PumpHandle;
  /** With durability `strict`. */
  crashLog: CrashLog | undefined;
  warn: (message: string) => void;
}

/** The last moments of a pipeline: whatever it still holds goes to the disk. */
export class Settlement {
  readonly #parts: SettlementParts;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  /** Leaves everything on the disk, blocking: through the pump, or past a pump that is not there in a spill file. */
  settle(timeoutMs: number): void {
    try {
      if (!this.#settleByPump(timeoutMs)) this.#spill();
      this.endCrashLogs();
    } catch (error) {
      const { crashLog, warn } = this.#parts;
      if (crashLog?.isWriting !== true) warn(`spans could not be saved at exit: ${(error as Error).message}`);
    }
  }

  /** They go, unless spans are in them that nothing else keeps, for want of a disk: then the next start takes them. */
  endCrashLogs(): void {
    const { options, attached, counters, crashLog } = this.#parts;
    if (crashLog === undefined) return;
    const { taken, safe, takenAttached, safeAttached } = counters.read();
    if (safe >= taken) crashLog.remove();
    else crashLog.leave();
    if (safeAttached >= takenAttached) attached.removeCrashLogs(options.crashLogDirectory);
  }

  /** Returns whether the pump has committed everything. Otherwise it takes nothing any more. */
  #settleByPump(timeoutMs: number): boolean {
    const { intake, pump } = this.#parts;
    const { ring } = intake;
    const deadlineMs = performance.now() + timeoutMs;
    const leftMs = (): number => Math.max(0, deadlineMs - performance.now());
    if (pump.isRunning && ring.waitForPump(leftMs() / 2)) {
      const isDrained = intake.drainBlocking(leftMs() / 2);
      if (isDrained && ring.settle(leftMs())) return true;
    }
    // No pump, or a slow one. Even a pump that is stuck in a commit must not cost the spans: better twice than never.
    ring.claimForCaller(Math.max(leftMs(), lastCommitMs));
    return false;
  }

  #spill(): void {
    const { options, intake, attached } = this.#parts;
    const payloads = [...intake.undelivered(), ...attached.undelivered()];
    const { directory, baseUrl, publicKey } = options;
    if (payloads.length > 0) writeSpill(directory, { baseUrl, publicKey }, payloads);
  }
}
