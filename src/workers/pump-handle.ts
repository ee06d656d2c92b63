import { Worker } from "node:worker_threads";
import type { RingProducer } from "../buffer/ring.ts";
import type { AuthCheckResult, AuthCheckTask, CallerMessage, PumpMessage, PumpSetup } from "./messages.ts";

/** A pump that crashed is started again after this long, doubling while it keeps crashing. */
const firstRestartMs = 100;
const maxRestartMs = 10_000;

export interface PumpHandleOptions {
  pumpUrl: URL;
  setup: PumpSetup;
  ring: RingProducer;
  onNotice: (level: "info" | "warn", message: string) => void;
  /** Which journal the pump has taken. */
  onJournal: (id: string) => void;
}

type Waiting = (result: AuthCheckResult | undefined) => void;

/** The request without its number, which the handle gives. */
type Request = CallerMessage extends infer Message
  ? Message extends { id: number }
    ? Omit<Message, "id">
    : never
  : never;

/**
 * The caller's hold on the pump's thread. The thread never keeps the process alive, but while somebody waits for an
 * answer. A thread that crashes is started again on the same ring; those who wait are asked for again.
 */
export class PumpHandle {
  lastError: string | undefined;
  readonly #options: PumpHandleOptions;
  readonly #waiting = new Map<number, { request: CallerMessage; done: Waiting }>();
  #worker: Worker | undefined;
  #nextId = 1;
  #restarts = 0;
  #hasCrashed = false;
  #restartTimer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(options: PumpHandleOptions) {
    this.#options = options;
    this.#start();
  }

  /** Resolves when all that is in the ring now, and in the journal, is acknowledged or dead-lettered, or on the signal. */
  async flush(signal: AbortSignal): Promise<void> {
    await this.#ask({ type: "flush" }, signal);
  }

  /** Resolves when the journal is closed. The pump is gone afterwards. */
  async close(graceMs: number): Promise<void> {
    await this.#ask({ type: "close", graceMs });
    this.end();
  }

  async checkAuth(task: AuthCheckTask): Promise<AuthCheckResult> {
    const result = await this.#ask({ type: "check-auth", task });
    return result ?? { ok: false, cause: "server-error", reason: "the buffer was shut down before the check was done" };
  }

  /** Gives the pump up: no restart, nobody waits any longer. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#restartTimer);
    for (const { done } of this.#waiting.values()) done(undefined);
    this.#waiting.clear();
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return;
    worker.removeAllListeners();
    // An error on its way out must not become the host's.
    worker.on("error", () => undefined);
    worker.unref();
    worker.terminate().catch(() => undefined);
  }

  #ask(request: Request, signal?: AbortSignal): Promise<AuthCheckResult | undefined> {
    if (this.#isEnded) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const message: CallerMessage = { ...request, id: this.#nextId++ };
      // Nobody waits any longer: the thread must not keep the process alive for it.
      signal?.addEventListener("abort", () => this.#answer(message.id, undefined), { once: true });
      this.#waiting.set(message.id, { request: message, done: resolve });
      this.#worker?.ref();
      this.#worker?.postMessage(message);
    });
  }

  #start(): void {
    const { pumpUrl, setup } = this.#options;
    try {
      // Not the host's `execArgv`: its loaders and debug ports are not for this thread.
      const workerData: PumpSetup = { ...setup, isRestart: this.#hasCrashed };
      const worker = new Worker(pumpUrl, { workerData, execArgv: [], name: "span-buffer-pump" });
      worker.on("message", (message: PumpMessage) => this.#receive(message));
      worker.on("error", (error: Error) => this.#crashed(worker, error.message));
      worker.on("exit", (code) => this.#crashed(worker, `exit code ${code}`));
      // After the listeners: a listener for messages takes the reference anew.
      worker.unref();
      this.#worker = worker;
      for (const { request } of this.#waiting.values()) worker.postMessage(request);
      if (this.#waiting.size > 0) worker.ref();
    } catch (error) {
      this.#crashed(undefined, (error as Error).message);
    }
  }

  #crashed(worker: Worker | undefined, reason: string): void {
    if (this.#isEnded || worker !== this.#worker) return;
    this.#worker = undefined;
    this.#hasCrashed = true;
    this.#options.ring.disown();
    const delayMs = Math.min(maxRestartMs, firstRestartMs * 2 ** this.#restarts++);
    this.lastError = `the pump thread ended (${reason})`;
    this.#options.onNotice("warn", `${this.lastError}: starting it again in ${delayMs} ms, spans wait in memory`);
    this.#restartTimer = setTimeout(() => this.#start(), delayMs);
    if (this.#waiting.size === 0) this.#restartTimer.unref();
  }

  #receive(message: PumpMessage): void {
    switch (message.type) {
      case "done":
        this.#restarts = 0;
        this.#answer(message.id, undefined);
        return;
      case "journal":
        this.#options.onJournal(message.id);
        return;
      case "auth-checked":
        this.#answer(message.id, message.result);
        return;
      case "notice":
        this.#options.onNotice(message.level, message.message);
        return;
      case "last-error":
        this.lastError = message.message;
        return;
    }
  }

  #answer(id: number, result: AuthCheckResult | undefined): void {
    const waiting = this.#waiting.get(id);
    // Now, not when the one who waits goes on: Node may report the thread's end in the same breath as its last message.
    if (waiting?.request.type === "close") this.#isEnded = true;
    waiting?.done(result);
    this.#waiting.delete(id);
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    this.#restartTimer?.unref();
  }
}
