import { SpanBuffer, type SpanBufferOptions } from "../../src/index.ts";
import type { Random } from "./random.ts";

export interface ScenarioContext {
  random: Random;
  seed: number;
  /** An empty folder, removed afterwards. */
  directory: string;
  /** Aborted by SIGINT. */
  signal: AbortSignal;
  progress: (text: string) => void;
}

export interface ScenarioResult {
  /** What was seen. */
  figures: Record<string, unknown>;
  /** Bounds that were broken; empty: all hold. */
  broken: string[];
}

export const keys = { publicKey: "pk-lf-stand-in", secretKey: "sk-lf-stand-in" } as const;

export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/** Waits for it; `false` when the time is over first. */
export async function comesTrue(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  while (performance.now() < deadlineMs) {
    if (await condition()) return true;
    await pause(50);
  }
  return false;
}

/** Delivers everything that the processes have left. Returns what could not be delivered. */
export async function drain(options: SpanBufferOptions): Promise<number> {
  const last = new SpanBuffer({ ...options, logger: { warn: () => undefined } });
  await pause(1_000);
  const { pending } = await last.flush({ timeoutMs: 120_000 });
  await last.shutdown();
  return pending;
}
