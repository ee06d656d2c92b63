import { setPriority } from "node:os";
import process from "node:process";
import { isMainThread } from "node:worker_threads";

/** Niceness of an export thread; the bot's thread and the pump have 0. */
const exportNiceness = 10;

/**
 * To be called in an export thread: where cores are few, the bot and the pump's commits go before exports. Linux alone
 * gives a thread a niceness of its own; elsewhere this would change the whole process.
 */
export function stepBack(): void {
  // In the host's own thread (a test calls a task directly) there is nobody to step behind.
  if (process.platform !== "linux" || isMainThread) return;
  try {
    setPriority(0, exportNiceness);
  } catch {
    // Not allowed here: the threads compete as equals.
  }
}
