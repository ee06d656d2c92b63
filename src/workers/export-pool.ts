import type { Piscina as PiscinaPool } from "piscina";
import type { AuthCheckResult, AuthCheckTask, ExportReport, ExportTask } from "./messages.ts";

export interface ExportPoolOptions {
  taskUrl: string;
  threads: number;
  /** Tasks under way at once, over all threads. */
  concurrency: number;
}

/**
 * The export threads, started with the first task: a bot that is quiet, or only journals, does not pay for them.
 * Whatever happens to a thread becomes a report; nothing here throws.
 */
export class ExportPool {
  readonly #options: ExportPoolOptions;
  #pool: Promise<PiscinaPool> | undefined;

  constructor(options: ExportPoolOptions) {
    this.#options = options;
  }

  async send(task: ExportTask): Promise<ExportReport> {
    try {
      const pool = await this.#start();
      return (await pool.run(task, { name: "send", transferList: [task.payloads.buffer] })) as ExportReport;
    } catch (error) {
      return { verdict: "retry", reason: crashed(error), truncated: 0, requests: 0, durationMs: 0 };
    }
  }

  async checkAuth(task: AuthCheckTask): Promise<AuthCheckResult> {
    try {
      const pool = await this.#start();
      return (await pool.run(task, { name: "checkAuth" })) as AuthCheckResult;
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

  #start(): Promise<PiscinaPool> {
    this.#pool ??= this.#create();
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
    });
    // A thread that dies without a task would otherwise take the pump with it; the next task starts a new one.
    pool.on("error", () => undefined);
    return pool;
  }
}

function crashed(error: unknown): string {
  return `export thread failed: ${error instanceof Error ? error.message : String(error)}`;
}
