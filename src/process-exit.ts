/**
 * What happens to buffers when the process ends. One set of listeners for all buffers, there while there is one.
 *
 * - The loop runs empty (`beforeExit`): a buffer may deliver for a while, so that a script's spans arrive.
 * - `process.exit()`, an uncaught exception (`exit`): the rest is committed, blocking.
 * - SIGTERM, SIGINT, SIGHUP: the same, but only when nobody else listens; then the signal is sent again, so that the
 *   process ends as it would have without us. With other listeners the host decides about its end, and `exit` follows.
 */
import process from "node:process";
import { isMainThread } from "node:worker_threads";

export interface ExitParticipant {
  /** Deliver what can be delivered; must keep the loop alive while it works, and only for a bounded time. */
  beforeExit(): void;
  /** Commit what is left, blocking and bounded. */
  exit(): void;
}

const participants = new Set<ExitParticipant>();
const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

export function joinExit(participant: ExitParticipant): void {
  participants.add(participant);
  if (participants.size > 1) return;
  process.on("beforeExit", onBeforeExit);
  process.on("exit", onExit);
  // Signals reach the main thread only.
  if (isMainThread) for (const signal of signals) process.on(signal, onSignal);
}

export function leaveExit(participant: ExitParticipant): void {
  participants.delete(participant);
  if (participants.size > 0) return;
  process.off("beforeExit", onBeforeExit);
  process.off("exit", onExit);
  for (const signal of signals) process.off(signal, onSignal);
}

function onBeforeExit(): void {
  for (const participant of participants) participant.beforeExit();
}

function onExit(): void {
  for (const participant of participants) participant.exit();
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  onExit();
  for (const name of signals) process.off(name, onSignal);
  process.kill(process.pid, signal);
}
