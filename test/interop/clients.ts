/** The clients, and what each says while it sends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { inject } from "vitest";
import type { PythonEnvironment } from "./python-environments.ts";

export type ClientName =
  | "Pipecat 1.14"
  | "OpenTelemetry Python 1.45, protobuf, gzip"
  | "OpenTelemetry JS 2, JSON"
  | "OpenTelemetry JS 2, protobuf"
  | "Langfuse Python 5"
  | "Langfuse Python 2"
  | "Langfuse JS 5"
  | "Langfuse JS 3";

interface Program {
  file: string;
  args?: readonly string[];
  /** Python's; none: Node's. */
  python?: PythonEnvironment;
  /** Observations of one unit of work; Pipecat has one conversation span more. */
  perUnit: number;
  /** Sends events to the ingestion route: its ids are not OTLP's. */
  isLegacy?: true;
  /** Sends scores too. */
  scores?: true;
  /** What makes it try for longer than a restart takes on a busy machine; what it does without: README.md. */
  patience: Readonly<Record<string, string>>;
}

/** Seconds there, milliseconds here. */
const pythonPatience = { OTEL_EXPORTER_OTLP_TIMEOUT: "30" };
const jsPatience = { OTEL_EXPORTER_OTLP_TIMEOUT: "30000" };
const langfusePatience = { LANGFUSE_TIMEOUT: "30" };

export const programs: Readonly<Record<ClientName, Program>> = {
  "Pipecat 1.14": { file: "pipecat_conversation.py", python: "current", perUnit: 4, patience: pythonPatience },
  "OpenTelemetry Python 1.45, protobuf, gzip": {
    file: "otel_python.py",
    python: "current",
    perUnit: 3,
    patience: pythonPatience,
  },
  "OpenTelemetry JS 2, JSON": { file: "otel-js.ts", args: ["json"], perUnit: 3, patience: jsPatience },
  "OpenTelemetry JS 2, protobuf": { file: "otel-js.ts", args: ["protobuf"], perUnit: 3, patience: jsPatience },
  "Langfuse Python 5": {
    file: "langfuse_python.py",
    python: "current",
    perUnit: 3,
    scores: true,
    patience: langfusePatience,
  },
  "Langfuse Python 2": {
    file: "langfuse_python_2.py",
    python: "langfuse-2",
    perUnit: 3,
    scores: true,
    isLegacy: true,
    patience: { MAX_RETRIES: "10" },
  },
  "Langfuse JS 5": { file: "langfuse-js.ts", perUnit: 3, scores: true, patience: langfusePatience },
  "Langfuse JS 3": { file: "langfuse-js-3.ts", perUnit: 3, scores: true, isLegacy: true, patience: {} },
};

export const clientNames: ClientName[] = Object.keys(programs) as ClientName[];
export const legacyNames: ClientName[] = clientNames.filter((name) => programs[name].isLegacy);

/** One that has ended and is now the SDK's to deliver. */
export interface Made {
  id: string;
  traceId: string;
  name: string;
}

/** One call of the SDK's own sending; times as `Date.now()` has them. */
export interface Sending {
  /** Of observations and scores. */
  ids: readonly string[];
  /** The SDK takes them for delivered. */
  ok: boolean;
  startedAtMs: number;
  endedAtMs: number;
}

interface StartOptions {
  /** Units of work; without it until `finish` is called. */
  count?: number;
  /** Between two units. */
  paceMs?: number;
  env?: Readonly<Record<string, string>>;
}

export class Client {
  readonly name: ClientName;
  readonly observations: Made[] = [];
  readonly scores: Made[] = [];
  readonly sendings: Sending[] = [];
  readonly facts: Record<string, unknown> = {};
  hasEnded = false;
  #stderr = "";
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor(name: ClientName, sidecarUrl: string, { count, paceMs = 0, env = {} }: StartOptions) {
    const { file, args = [], python } = programs[name];
    this.name = name;
    const command = python === undefined ? process.execPath : inject("python")[python];
    this.#child = spawn(command, [fileURLToPath(new URL(`clients/${file}`, import.meta.url)), ...args], {
      stdio: "pipe",
      env: {
        ...withoutSettings(process.env),
        LANGFUSE_PUBLIC_KEY: "pk-lf-stand-in",
        LANGFUSE_SECRET_KEY: "sk-lf-stand-in",
        // The batch processors' own wait is 5 s; there are to be many requests here.
        OTEL_BSP_SCHEDULE_DELAY: "300",
        LANGFUSE_FLUSH_INTERVAL: "0.3",
        SIDECAR_URL: sidecarUrl,
        ...(count === undefined ? {} : { COUNT: String(count) }),
        PACE_MS: String(paceMs),
        ...env,
      },
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) => this.#take(line));
    this.#exit = once(this.#child, "close").then(([code]) => {
      this.hasEnded = true;
      if (code !== 0) throw new Error(`${name} ended with ${String(code)}: ${this.#stderr.slice(-4_000)}`);
    });
    this.#exit.catch(() => undefined);
  }

  /** Rejects when it did not end well. */
  async ended(): Promise<void> {
    await this.#exit;
  }

  /** What the SDK itself complained about. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Ids that the SDK takes for delivered. */
  get delivered(): ReadonlySet<string> {
    return new Set(this.sendings.filter(({ ok }) => ok).flatMap(({ ids }) => ids));
  }

  /** What it made, but never got rid of. */
  get givenUp(): Made[] {
    const { delivered } = this;
    return [...this.observations, ...this.scores].filter(({ id }) => !delivered.has(id));
  }

  /** Ids that it sent without getting a good answer; when that was lost, they come again. */
  get failed(): ReadonlySet<string> {
    return new Set(this.sendings.filter(({ ok }) => !ok).flatMap(({ ids }) => ids));
  }

  /** No further units of work: it flushes and ends. */
  finish(): void {
    this.#child.stdin?.end();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #take(line: string): void {
    let message: { kind: string; atMs: number } & Record<string, unknown>;
    try {
      message = JSON.parse(line) as typeof message;
    } catch {
      // Some SDKs print to stdout too.
      return;
    }
    const { kind, atMs, ...fields } = message;
    if (kind === "observation") this.observations.push(fields as unknown as Made);
    else if (kind === "score") this.scores.push(fields as unknown as Made);
    else if (kind === "sending") this.sendings.push({ ...fields, endedAtMs: atMs } as unknown as Sending);
    else if (kind === "fact") this.facts[String(fields["name"])] = fields["value"];
  }
}

/** Nothing of the machine's own settings reaches a client. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([key]) => !/^(LANGFUSE_|OTEL_|.*_proxy$)/i.test(key)));
}
