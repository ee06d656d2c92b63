/**
 * What happens to buffers when the process ends. One set of listeners for all buffers, there while there is one.
 *
 * - The loop runs empty (`beforeExit`): a buffer may deliver for a while, so that a script's spans arrive.
 * - `process.exit()`, an uncaught exception (`exit`): the rest is committed, blocking.
 * - SIGTERM, SIGINT, SIGHUP: the same, but only when nobody else listens; then the signal is sent again, so that the
 *   process ends as it would have without us. With other listeners the host decides about its end, and `exit` follows.
 *
 * An application and one of its dependencies may each bring a copy of this package. To either, the other's listener for a
 * signal would be the host's, and neither would end the process: so the set is registered with the process, and the copy
 * that comes second joins the first one's. Each worker thread has a `process`, and so a set, of its own.
 */
import process from "node:process";
import { isMainThread } from "node:worker_threads";

export interface ExitParticipant {
  /** Deliver what can be delivered; must keep the loop alive while it works, and only for a bounded time. */
  beforeExit(): void;
  /** Commit what is left, blocking and bounded. */
  exit(): void;
}

/** What copies of this package know of each other. A change that another copy would not understand needs a new version. */
interface ExitRegistry {
  readonly version: 1;
  join(participant: ExitParticipant): void;
  leave(participant: ExitParticipant): void;
}

const registryKey = Symbol.for("langfuse-span-buffer.exit");
const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

export function joinExit(participant: ExitParticipant): void {
  registry().join(participant);
}

export function leaveExit(participant: ExitParticipant): void {
  registry().leave(participant);
}

let own: ExitRegistry | undefined;

function registry(): ExitRegistry {
  own ??= registered() ?? register(createRegistry());
  return own;
}

function registered(): ExitRegistry | undefined {
  const found = (process as { [registryKey]?: Partial<ExitRegistry> })[registryKey];
  return found?.version === 1 ? (found as ExitRegistry) : undefined;
}

function register(created: ExitRegistry): ExitRegistry {
  // One of another version stays: there are buffers in it.
  if (!(registryKey in process)) Object.defineProperty(process, registryKey, { value: created });
  return created;
}

function createRegistry(): ExitRegistry {
  const participants = new Set<ExitParticipant>();

  function onBeforeExit(): void {
    forEach((participant) => participant.beforeExit());
  }

  function onExit(): void {
    forEach((participant) => participant.exit());
  }

  function onSignal(signal: NodeJS.Signals): void {
    if (process.listenerCount(signal) > 1) return;
    onExit();
    for (const name of signals) process.off(name, onSignal);
    process.kill(process.pid, signal);
  }

  function forEach(action: (participant: ExitParticipant) => void): void {
    for (const participant of participants) {
      try {
        action(participant);
      } catch {
        // The fault of one, perhaps of another copy, must not cost the spans of the others.
      }
    }
  }

  return {
    version: 1,
    join(participant) {
      participants.add(participant);
      if (participants.size > 1) return;
      process.on("beforeExit", onBeforeExit);
      process.on("exit", onExit);
      // Signals reach the main thread only.
      if (isMainThread) for (const signal of signals) process.on(signal, onSignal);
    },
    leave(participant) {
      participants.delete(participant);
      if (participants.size > 0) return;
      process.off("beforeExit", onBeforeExit);
      process.off("exit", onExit);
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
