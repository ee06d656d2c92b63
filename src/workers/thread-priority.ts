import { setPriority } from "node:os";
import process from "node:process";
import { isMainThread } from "node:worker_threads";

/** The bot's own thread has 0. The pump's commits go before exports. */
const niceness = { pump: 5, export: 10 } as const;

/**
 * To be called in a thread of ours: where cores are few, the bot goes before both and commits before exports. Linux
 * alone gives a thread a niceness of its own; elsewhere this would change the whole process.
 */
export function stepBack(role: keyof typeof niceness = "export"): void {
  // In the host's own thread (a test calls a task directly) there is nobody to step behind.
  if (process.platform !== "linux" || isMainThread) return;
  try {
    setPriority(0, niceness[role]);
  } catch {
    // Not allowed here: the threads compete as equals.
  }
}
