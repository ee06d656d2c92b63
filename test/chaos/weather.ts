import type { Fault, StandIn } from "../../src/stand-in/index.ts";
import { type FaultProxy, proxyFaults } from "./fault-proxy.ts";
import type { Random } from "./random.ts";

const serverFaults: readonly Fault[] = [
  { kind: "error", status: 500 },
  { kind: "error", status: 503 },
  { kind: "rate-limited", retryAfter: "1" },
  { kind: "unauthorized", times: 1 },
  { kind: "html" },
  { kind: "empty" },
  { kind: "stalled-body" },
  { kind: "reset", when: "before" },
  { kind: "reset", when: "after" },
  { kind: "slow", delayMs: 400 },
];

/** Faults on the way and of the server, one after the other, and how often each was made. */
export class Weather {
  readonly made: Record<string, number> = {};
  readonly #proxy: FaultProxy;
  readonly #server: StandIn;
  readonly #random: Random;

  constructor(proxy: FaultProxy, server: StandIn, random: Random) {
    this.#proxy = proxy;
    this.#server = server;
    this.#random = random;
  }

  /** On the way, and half of the time of the server as well. */
  async turn(): Promise<void> {
    const fault = this.#random.pick(proxyFaults);
    const serverFault = this.#random.next() < 0.5 ? this.#random.pick(serverFaults) : undefined;
    this.#proxy.set(fault);
    await this.#server.setFault(serverFault);
    for (const name of [fault, serverFault?.kind ?? "healthy"]) this.made[name] = (this.made[name] ?? 0) + 1;
  }

  async clear(): Promise<void> {
    this.#proxy.set("none");
    await this.#server.setFault(undefined);
  }
}
