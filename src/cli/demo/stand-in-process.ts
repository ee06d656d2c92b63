import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const mainFile = new URL(`../main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** A stand-in in a process of its own, with the switches that it offers beside. */
export class StandInProcess {
  readonly url: string;
  readonly #controlUrl: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string, controlUrl: string) {
    this.#child = child;
    this.url = url;
    this.#controlUrl = controlUrl;
  }

  /** Resolves when it listens. */
  static async start(): Promise<StandInProcess> {
    const child = fork(mainFile, ["stand-in", "--port", "0", "--control-port", "0"], {
      execArgv: [],
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    const urls: { url?: string | undefined; control?: string | undefined } = {};
    if (child.stdout === null) throw new Error("the stand-in has no output to read its address from");
    for await (const line of createInterface({ input: child.stdout })) {
      urls.url ??= /^listening on (\S+)/.exec(line)?.[1];
      urls.control ??= /^control on (\S+)/.exec(line)?.[1];
      if (urls.url !== undefined && urls.control !== undefined) break;
    }
    if (urls.url === undefined || urls.control === undefined) throw new Error("the stand-in ended before it listened");
    child.stdout.resume();
    return new StandInProcess(child, urls.url, urls.control);
  }

  /** Connections are refused from now on. */
  async goAway(): Promise<void> {
    await this.#post("/fault", { kind: "down" });
  }

  async comeBack(): Promise<void> {
    await this.#post("/fault", null);
  }

  /** Distinct spans stored so far. */
  async storedCount(): Promise<number> {
    const response = await fetch(`${this.#controlUrl}/account`);
    return ((await response.json()) as { spans: number }).spans;
  }

  /** Every span id that was stored, in the order of the first arrival, with the number of accepted requests it came in. */
  async arrivals(): Promise<Map<string, number>> {
    const response = await fetch(`${this.#controlUrl}/ids`);
    return new Map(Object.entries((await response.json()) as Record<string, number>));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
  }

  async #post(path: string, body: unknown): Promise<void> {
    const headers = { "content-type": "application/json" };
    const response = await fetch(this.#controlUrl + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`the stand-in answered ${response.status} to ${path}`);
  }
}
