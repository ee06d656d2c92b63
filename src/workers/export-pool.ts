import type { Piscina as PiscinaPool } from "piscina";
import type { AuthCheckResult, AuthCheckTask, ExportReport, ExportTask } from "./messages.ts";
import { threadMemory } from "./thread-memory.ts";

/** A task asks for the server's version, tries through hiccups, and may try again with less: so many time limits. */
const patience = 8;
const graceMs = 5_000;

/** No batch needs that; a worker's own heap limit would take the process with it. */
const maxThreadBytes = 512 * 1024 * 1024;

export interface ExportPoolOptions {
  taskUrl: string;
  threads: number;
  /** Tasks under way at once, over all threads. */
  concurrency: number;
  /** Threads that report more memory than this are replaced. Default: 512 MiB. */
  maxThreadBytes?: number;
}

/**
 * The export threads, started with the first task: a bot that is quiet, or only journals, does not pay for them.
 * Whatever happens to a thread becomes a report; nothing here throws.
 */
export class ExportPool {
  readonly #options: ExportPoolOptions;
  #pool: Promise<PiscinaPool> | undefined;
  #running: PiscinaPool | undefined;

  constructor(options: ExportPoolOptions) {
    this.#options = options;
  }

  async send(task: ExportTask): Promise<ExportReport> {
    try {
      const pool = await this.#start();
      const running = pool.run(task, { name: "send", transferList: [task.payloads.buffer] });
      const report = (await this.#withPatience(pool, running, task.timeoutMs)) as ExportReport;
      if ((report.memoryBytes ?? 0) > (this.#options.maxThreadBytes ?? maxThreadBytes)) this.#replace(pool);
      return report;
    } catch (error) {
      return { verdict: "retry", reason: crashed(error), truncated: 0, requests: 0, durationMs: 0 };
    }
  }

  async checkAuth(task: AuthCheckTask): Promise<AuthCheckResult> {
    try {
      const pool = await this.#start();
      const running = pool.run(task, { name: "checkAuth" });
      return (await this.#withPatience(pool, running, task.timeoutMs)) as AuthCheckResult;
    } catch (error) {
      return { ok: false, cause: "server-error", reason: crashed(error) };
    }
  }

  async destroy(): Promise<void> {
    try {
      if (this.#pool !== undefined) await (await this.#pool).destroy();
    } catch {
      // The threads are gone one way or the other.
    }
  }

  /**
   * A task has limits of its own; one that has long passed them is stuck, and the threads are replaced: what else they
   * have under way fails and is sent again. Not by a signal for Piscina: such a task has its thread for itself alone.
   */
  async #withPatience(pool: PiscinaPool, running: Promise<unknown>, timeoutMs: number): Promise<unknown> {
    const limitMs = timeoutMs * patience + graceMs;
    const timer = setTimeout(() => {
      this.#forget(pool);
      pool.destroy().catch(() => undefined);
    }, limitMs).unref();
    try {
      return await running;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The next task gets new threads; these end when they have done what they have. */
  #replace(pool: PiscinaPool): void {
    if (this.#forget(pool)) pool.close().catch(() => undefined);
  }

  /** Returns whether it was still the one in use. */
  #forget(pool: PiscinaPool): boolean {
    if (this.#running !== pool) return false;
    this.#running = undefined;
    this.#pool = undefined;
    return true;
  }

  #start(): Promise<PiscinaPool> {
    this.#pool ??= this.#create().catch((error: unknown) => {
      // The next batch tries again.
      this.#pool = undefined;
      throw error;
    });
    return this.#pool;
  }

  async #create(): Promise<PiscinaPool> {
    const { Piscina } = await import("piscina");
    const { taskUrl, threads, concurrency } = this.#options;
    const pool = new Piscina({
      filename: taskUrl,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: Math.ceil(concurrency / threads),
      // The default freezes an idle thread's event loop: sockets kept alive go stale, and the next batch fails.
      atomics: "disabled",
      // Not the host's: its loaders and debug ports are not for these threads.
      execArgv: [],
      resourceLimits: threadMemory,
    });
    // A thread that dies without a task would otherwise take the pump with it; the next task starts a new one.
    pool.on("error", () => undefined);
    this.#running = pool;
    return pool;
  }
}

function crashed(error: unknown): string {
  return `export thread failed: ${error instanceof Error ? error.message : String(error)}`;
}
