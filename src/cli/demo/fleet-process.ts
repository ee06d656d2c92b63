import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import type { FleetCommand, FleetFinished, FleetReport, FleetSetup } from "./fleet-messages.ts";

const fleetFile = new URL(`./fleet${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** One process of the fleet, from outside. Keeps what it reported last, whatever becomes of it. */
export class FleetProcess {
  readonly endMicros: number[] = [];
  last: FleetReport | undefined;
  readonly #child: ChildProcess;
  readonly #events = new EventEmitter();

  constructor(setup: FleetSetup) {
    this.#child = fork(fleetFile, { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#child.on("message", (message: FleetReport | FleetFinished) => {
      if (message.type === "finished") this.#events.emit("finished");
      else {
        this.last = message;
        this.endMicros.push(...message.endMicros);
      }
    });
    this.#child.on("exit", () => this.#events.emit("exit"));
    this.#tell({ type: "start", setup });
  }

  sendPoison(): void {
    this.#tell({ type: "poison" });
  }

  /** Ends the conversations, delivers, shuts down. Resolves when the process is gone. */
  async finish(): Promise<void> {
    const gone = once(this.#events, "exit");
    this.#tell({ type: "finish" });
    await gone;
  }

  /** SIGKILL: no handler, no last word. Resolves with the moment just before it. */
  async kill(): Promise<number> {
    const killedAtMs = Date.now();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return killedAtMs;
    const gone = once(this.#events, "exit");
    this.#child.kill("SIGKILL");
    await gone;
    return killedAtMs;
  }

  #tell(command: FleetCommand): void {
    if (this.#child.connected) this.#child.send(command);
  }
}
