import { Worker } from "node:worker_threads";
import type { RingProducer } from "../buffer/ring-producer.ts";
import type {
  AttachedRing,
  AuthCheckResult,
  AuthCheckTask,
  CallerMessage,
  DeadLetterCommand,
  PumpMessage,
  PumpSetup,
} from "./messages.ts";
import { PumpWatch } from "./pump-watch.ts";
import { threadEnvironment } from "./thread-environment.ts";
import { threadMemory } from "./thread-memory.ts";

/** A pump that crashed is started again after this long, and after the second crash in a minute after ten times that. */
const firstRestartMs = 100;

/** So many crashes in so long: from then on a new attempt is made now and then (`retryMs`). */
const maxCrashes = 3;
const crashWindowMs = 60_000;

/** An answer to `checkAuth` that has not come so long after its own limit does not come. */
const answerGraceMs = 5_000;

/** The longest that a command about dead letters may take. */
const deskLimitMs = 30_000;

export interface PumpLimits {
  /** Without a sign of life for so long the pump hangs. A disk may keep a commit waiting for seconds. */
  hangMs: number;
  /** A thread that does not end when it is told to is stuck in the operating system: after this another takes its place. */
  terminationMs: number;
  /** From one attempt to the next once the pump has been given up. */
  retryMs: number;
}

const defaultLimits: PumpLimits = { hangMs: 20_000, terminationMs: 60_000, retryMs: 60_000 };

export interface PumpHandleOptions {
  pumpUrl: URL;
  setup: Omit<PumpSetup, "attached" | "isRestart">;
  ring: RingProducer;
  /** The rings of attached threads that there are now. */
  attached?: () => readonly AttachedRing[];
  /** One of them is drained and let go of. */
  onDetached?: (ringId: string, frames: number) => void;
  onNotice: (level: "info" | "warn", message: string) => void;
  /** Which journal the pump has taken. */
  onJournal: (id: string) => void;
  limits?: Partial<PumpLimits>;
}

type Waiting = (result: unknown) => void;
/** The request without its number, which the handle gives. */
type Request = CallerMessage extends infer Message
  ? Message extends { id: number }
    ? Omit<Message, "id">
    : never
  : never;

/**
 * The caller's hold on the pump's thread. The thread never keeps the process alive, but while somebody waits for an
 * answer. A thread that crashes or hangs is started again on the same ring; those who wait are asked for again.
 */
export class PumpHandle {
  readonly #options: PumpHandleOptions;
  readonly #limits: PumpLimits;
  readonly #waiting = new Map<number, { request: CallerMessage; done: Waiting }>();
  readonly #watch: PumpWatch;
  #worker: Worker | undefined;
  /** It hangs, and has been told to end. */
  #isTerminating = false;
  #nextId = 1;
  /** The pump's own word, and how it ended. */
  #reportedError: string | undefined;
  #crash: string | undefined;
  /** When the pump crashed, of late (`performance.now()`). */
  #crashesAtMs: number[] = [];
  #hasCrashed = false;
  #isGivenUp = false;
  #restartTimer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(options: PumpHandleOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const { hangMs } = this.#limits;
    const onHanging = (): void => this.#endHanging(`no sign of life for ${hangMs / 1000} s`);
    this.#watch = new PumpWatch({ ring: options.ring, limitMs: hangMs, onHanging });
    this.#start();
  }

  /** Is there a thread that may be expected to work? It may still be starting. */
  get isRunning(): boolean {
    return this.#worker !== undefined && !this.#isTerminating;
  }

  /** Has the pump crashed too often? Spans stay in memory; an attempt is made every minute. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** What is wrong; undefined while all is well. */
  get lastError(): string | undefined {
    return this.#crash ?? this.#reportedError;
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

  /** Answers within the task's limit and some seconds, whatever the pump does. */
  async checkAuth(task: AuthCheckTask): Promise<AuthCheckResult> {
    const result = await this.#askWithin(task.timeoutMs + answerGraceMs, { type: "check-auth", task });
    if (result !== undefined) return result as AuthCheckResult;
    return { ok: false, cause: "server-error", reason: this.#noAnswer() };
  }

  /** @throws Error when the pump does not answer, or could not do it. */
  async deadLetters(command: DeadLetterCommand): Promise<unknown> {
    const answer = await this.#askWithin(deskLimitMs, { type: "dead-letters", command });
    const { result, error } = (answer ?? { error: this.#noAnswer() }) as { result?: unknown; error?: string };
    if (error !== undefined) throw new Error(`langfuse-span-buffer: dead letters: ${error}`);
    return result;
  }

  /** A thread has got a ring; it is among `attached` already, for the pump that may follow. */
  attach(ring: AttachedRing): void {
    this.#worker?.postMessage({ type: "attach", ring } satisfies CallerMessage);
  }

  /** Gives the pump up: no restart, nobody waits any longer. */
  end(): void {
    this.#isEnded = true;
    this.#watch.end();
    clearTimeout(this.#restartTimer);
    for (const { done } of this.#waiting.values()) done(undefined);
    this.#waiting.clear();
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker !== undefined) letGo(worker);
  }

  #noAnswer(): string {
    if (this.#isEnded) return "the buffer was shut down";
    return `the buffer's thread does not answer${this.lastError === undefined ? "" : `: ${this.lastError}`}`;
  }

  /** As `#ask`, but keeps the process alive until the time is over, as the answer would: the caller waits. */
  async #askWithin(limitMs: number, request: Request): Promise<unknown> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), limitMs);
    const result = await this.#ask(request, limit.signal);
    clearTimeout(timer);
    return result;
  }

  #ask(request: Request, signal?: AbortSignal): Promise<unknown> {
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
    const { pumpUrl, setup, attached } = this.#options;
    let reason: string | undefined;
    try {
      // Not the host's `execArgv`: its loaders and debug ports are not for this thread.
      const workerData: PumpSetup = { ...setup, attached: attached?.() ?? [], isRestart: this.#hasCrashed };
      const worker = new Worker(pumpUrl, {
        workerData,
        execArgv: [],
        env: threadEnvironment(),
        resourceLimits: threadMemory,
        name: "span-buffer-pump",
      });
      worker.on("message", (message: PumpMessage) => this.#receive(message));
      // Anything can be thrown.
      worker.on("error", (error: unknown) => {
        reason = error instanceof Error ? error.message : String(error);
      });
      // Not with the error: only a thread that has ended has let go of its journal.
      worker.on("exit", (code) => this.#crashed(worker, reason ?? `exit code ${code}`));
      // After the listeners: a listener for messages takes the reference anew.
      worker.unref();
      this.#worker = worker;
      this.#isTerminating = false;
      this.#watch.begin();
      for (const { request } of this.#waiting.values()) worker.postMessage(request);
      if (this.#waiting.size > 0) worker.ref();
    } catch (error) {
      this.#crashed(undefined, (error as Error).message);
    }
  }

  /** Ends a thread that hangs; its end counts as a crash. */
  #endHanging(reason: string): void {
    const worker = this.#worker;
    if (worker === undefined || this.#isEnded) return;
    this.#watch.end();
    this.#isTerminating = true;
    const crashed = (): void => {
      clearTimeout(limit);
      this.#crashed(worker, reason);
    };
    const limit = setTimeout(crashed, this.#limits.terminationMs).unref();
    letGo(worker);
    worker.once("exit", crashed);
  }

  #crashed(worker: Worker | undefined, reason: string): void {
    if (this.#isEnded || worker !== this.#worker) return;
    this.#worker = undefined;
    this.#hasCrashed = true;
    // The next pump has its own to say.
    this.#reportedError = undefined;
    this.#watch.end();
    this.#options.ring.disown();
    const nowMs = performance.now();
    this.#crashesAtMs = [...this.#crashesAtMs.filter((atMs) => nowMs - atMs < crashWindowMs), nowMs];
    const delayMs = this.#restartDelayMs(reason);
    this.#restartTimer = setTimeout(() => this.#start(), delayMs);
    if (this.#waiting.size === 0) this.#restartTimer.unref();
  }

  /** How long until the next attempt; says what has happened. */
  #restartDelayMs(reason: string): number {
    this.#crash = `the pump thread ended (${reason})`;
    const { onNotice } = this.#options;
    const crashes = this.#crashesAtMs.length;
    if (crashes < maxCrashes && !this.#isGivenUp) {
      const delayMs = firstRestartMs * 10 ** (crashes - 1);
      onNotice("warn", `${this.#crash}: starting it again in ${delayMs} ms, spans wait in memory`);
      return delayMs;
    }
    // Said once, however long it goes on.
    if (!this.#isGivenUp) {
      onNotice(
        "warn",
        `${this.#crash}, for the third time in a minute: from now on spans are kept in memory alone, at most maxMemoryBytes of them, and nothing is sent; a new attempt is made every minute, and what is in memory when the process ends is left in the directory for the next start. Please report this`,
      );
    }
    this.#isGivenUp = true;
    return this.#limits.retryMs;
  }

  #receive(message: PumpMessage): void {
    switch (message.type) {
      case "done":
        this.#answer(message.id, undefined);
        return;
      case "detached":
        this.#options.onDetached?.(message.ringId, message.frames);
        return;
      case "journal":
        this.#options.onJournal(message.id);
        return;
      case "running":
        this.#pumpRuns();
        return;
      case "dead-letters-done":
        this.#answer(message.id, { result: message.result, error: message.error });
        return;
      case "auth-checked":
        this.#answer(message.id, message.result);
        return;
      case "notice":
        this.#options.onNotice(message.level, message.message);
        return;
      case "last-error":
        this.#reportedError = message.message;
        return;
    }
  }

  /** It has taken the ring, and stayed alive for a while. */
  #pumpRuns(): void {
    this.#crash = undefined;
    if (!this.#isGivenUp) return;
    this.#isGivenUp = false;
    this.#options.onNotice("warn", "the pump thread runs again: spans go to the journal and to Langfuse");
  }

  #answer(id: number, result: unknown): void {
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

/** Ends a thread that is not wanted any more; nothing it does on its way out becomes the host's. */
function letGo(worker: Worker): void {
  worker.removeAllListeners();
  worker.on("error", () => undefined);
  worker.unref();
  worker.terminate().catch(() => undefined);
}
