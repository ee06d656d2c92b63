/** A sidecar started as its user would: the command, keys in the environment, its address from stdout. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import process from "node:process";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface SidecarOptions {
  langfuseUrl: string;
  directory: string;
  /** Seconds. Default: 0.5. */
  flushInterval?: number;
}

export class SidecarProcess {
  readonly #options: SidecarOptions;
  readonly #port: number;
  #child: ChildProcess | undefined;
  #said = "";

  constructor(options: SidecarOptions, port: number) {
    this.#options = options;
    this.#port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The end of its log, for the message of a test that fails. */
  get said(): string {
    return this.#said.slice(-4_000);
  }

  async start(): Promise<void> {
    const args = [main, "serve", "--port", String(this.#port), "--directory", this.#options.directory];
    const child = spawn(process.execPath, [...process.execArgv, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        LANGFUSE_BASE_URL: this.#options.langfuseUrl,
        LANGFUSE_PUBLIC_KEY: "pk-lf-stand-in",
        LANGFUSE_SECRET_KEY: "sk-lf-stand-in",
        LANGFUSE_FLUSH_INTERVAL: String(this.#options.flushInterval ?? 0.5),
      },
    });
    this.#child = child;
    child.stderr.on("data", (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`the sidecar ended with ${String(code)} before it accepted: ${this.said}`);
    });
    const lines = createInterface({ input: child.stdout });
    const listening = new Promise<void>((resolve) => {
      lines.on("line", (line) => {
        if (line === `listening on ${this.url}`) resolve();
      });
    });
    await Promise.race([listening, ended]);
    ended.catch(() => undefined);
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** SIGKILL: it has no say in it. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM: its orderly end. Resolves with its exit code. */
  async stop(): Promise<number | null> {
    await this.#end("SIGTERM");
    return this.#child?.exitCode ?? null;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}

/** Not started yet. With a port that is free now: the clients, and a restart, need one that does not change. */
export async function sidecarProcess(options: SidecarOptions): Promise<SidecarProcess> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return new SidecarProcess(options, port);
}
