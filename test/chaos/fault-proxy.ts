import { createServer, type Server, type Socket, connect } from "node:net";
import type { AddressInfo } from "node:net";

/** What the proxy does to connections. Those that are open when it changes are cut. */
export const proxyFaults = [
  "none",
  /** Connections are accepted and cut. */
  "refuse",
  /** Accepted, and nothing ever comes. */
  "hang",
  /** Requests go through, answers do not. */
  "half-open",
  "reset-in-request",
  "reset-in-answer",
  /** A byte of the answer every tenth of a second. */
  "trickle",
  "delay",
  /** The answer ends too early. */
  "truncate",
  /** The answer comes after the client has given up. */
  "late",
] as const;
export type ProxyFault = (typeof proxyFaults)[number];

const delayMs = 300;
const trickleMs = 100;

/** Stands on loopback between a bot and the stand-in. */
export class FaultProxy {
  readonly url: string;
  /** Called when a part of a request has gone on to the server, and when a part of an answer has gone to the client. */
  onTraffic: ((what: "request-sent" | "answer-received") => void) | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #fault: ProxyFault = "none";

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param lateMs how long an answer is held back that is to come too late. */
  static async start(target: string, lateMs: number): Promise<FaultProxy> {
    const { port } = new URL(target);
    const server = createServer((client) => proxy.#accept(client, Number(port), lateMs));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = new FaultProxy(server);
    return proxy;
  }

  set(fault: ProxyFault): void {
    this.#fault = fault;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.set("refuse");
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, port: number, lateMs: number): void {
    const fault = this.#fault;
    this.#keep(client);
    if (fault === "refuse") {
      client.resetAndDestroy();
      return;
    }
    if (fault === "hang") return;
    const server = this.#keep(connect(port, "127.0.0.1"));
    client.on("close", () => server.destroy());
    server.on("close", () => fault !== "late" && client.destroy());
    let received = 0;
    client.on("data", (chunk) => {
      received += chunk.length;
      server.write(chunk, () => this.onTraffic?.("request-sent"));
      if (fault === "reset-in-request" && received > 2_000) client.resetAndDestroy();
    });
    server.on("data", (chunk) => {
      answer(client, chunk, fault, lateMs);
      this.onTraffic?.("answer-received");
    });
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

function answer(client: Socket, chunk: Buffer, fault: ProxyFault, lateMs: number): void {
  const later = (ms: number, action: () => void): void =>
    void setTimeout(() => !client.destroyed && action(), ms).unref();
  switch (fault) {
    case "half-open":
      return;
    case "reset-in-answer":
      client.write(chunk.subarray(0, 20), () => client.resetAndDestroy());
      return;
    case "truncate":
      client.end(chunk.subarray(0, chunk.length - 2));
      return;
    case "delay":
      later(delayMs, () => client.write(chunk));
      return;
    case "late":
      later(lateMs, () => client.write(chunk));
      return;
    case "trickle":
      for (let at = 0; at < chunk.length; at++) later(at * trickleMs, () => client.write(chunk.subarray(at, at + 1)));
      return;
    default:
      client.write(chunk);
  }
}
