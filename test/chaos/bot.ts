import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { notes } from "./notes.ts";
import type { ProducerOptions } from "./producer.ts";

const producerFile = fileURLToPath(new URL("./producer.ts", import.meta.url));
const preloadUrl = new URL("./with-killing-pump.ts", import.meta.url).href;
const recordBytes = 16;

export interface EndedSpan {
  id: string;
  /** When its `end()` had returned, in milliseconds since 1970. */
  endedAtMs: number;
}

/** What a producer holds at a moment, as it sees itself. */
export interface Census {
  listeners: number;
  activeResources: number;
}

/** A producer process and what it has said. */
export class Bot {
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  readonly #pipe: Readable;

  /**
   * @param how `killPoint`: where it is to kill itself (killing-pump.ts); `under`: a command that runs it, say in a
   * namespace of its own; `environment`: added to this process's.
   */
  constructor(
    options: ProducerOptions,
    {
      killPoint,
      under = [],
      environment = {},
    }: { killPoint?: string; under?: readonly string[]; environment?: Readonly<Record<string, string>> } = {},
  ) {
    const preload = killPoint === undefined ? [] : ["--import", preloadUrl];
    const program = [process.execPath, ...preload, producerFile, JSON.stringify(options)];
    const [command = "", ...args] = [...under, ...program];
    this.#child = spawn(command, args, {
      stdio: ["ignore", "ignore", "inherit", "pipe"],
      env: { ...process.env, ...environment, KILL_POINT: killPoint ?? "" },
    });
    this.#pipe = this.#child.stdio[3] as Readable;
    this.#pipe.on("data", (chunk: Buffer) => this.#chunks.push(chunk));
  }

  /** Resolves when the first span has ended. */
  async hasBegun(): Promise<void> {
    if (this.#chunks.length === 0) await once(this.#pipe, "data");
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child.kill(signal);
  }

  /** Ends it by the signal; resolves when everything it said is here. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const gone = this.isRunning ? once(this.#child, "exit") : undefined;
    const said = this.#pipe.readableEnded ? undefined : once(this.#pipe, "close");
    this.signal(signal);
    await gone;
    await said;
  }

  /** What it has ended, in order, its complaints and its latest census. */
  report(): { spans: EndedSpan[]; conservationGaps: number; unhandledRejections: number; census: Census } {
    const bytes = Buffer.concat(this.#chunks);
    const census = { listeners: 0, activeResources: 0 };
    const report = { spans: [] as EndedSpan[], conservationGaps: 0, unhandledRejections: 0, census };
    for (let at = 0; at + recordBytes <= bytes.length; at += recordBytes) {
      const id = bytes.toString("hex", at, at + 8);
      const value = bytes.readDoubleLE(at + 8);
      if (id === notes.conservationGap) report.conservationGaps++;
      else if (id === notes.unhandledRejection) report.unhandledRejections++;
      else if (id === notes.listeners) census.listeners = value;
      else if (id === notes.activeResources) census.activeResources = value;
      else report.spans.push({ id, endedAtMs: value });
    }
    return report;
  }
}
