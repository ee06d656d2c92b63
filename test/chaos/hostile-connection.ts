import { connect, type Socket } from "node:net";
import type { HostileRequest } from "./hostile-requests.ts";
import { pause } from "./scenario.ts";

/** Beyond the sidecar's own limit for a request: by then it has answered or hung up. */
const longestMs = 45_000;

/** What was said to each kind: how often which status, `closed` where the connection ended without one. */
export class HostileAccount {
  readonly byKind: Record<string, Record<string, number>> = {};
  /** Framed requests that got no answer: each should. */
  unanswered = 0;
  /** 503 for another reason than the memory of bodies. */
  readonly unavailable: string[] = [];
  hanging = 0;

  add(kind: string, status: string): void {
    const statuses = (this.byKind[kind] ??= {});
    statuses[status] = (statuses[status] ?? 0) + 1;
  }

  count(matches: (status: string) => boolean): number {
    const all = Object.values(this.byKind).flatMap((statuses) => Object.entries(statuses));
    return all.reduce((sum, [status, count]) => sum + (matches(status) ? count : 0), 0);
  }
}

/** A connection that sends as it likes, and reads no more of the answers than their first lines. */
export class HostileConnection {
  readonly #socket: Socket;
  readonly #account: HostileAccount;
  #text = "";
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(port: number, account: HostileAccount) {
    this.#account = account;
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setNoDelay(true);
    this.#socket.on("error", () => undefined);
    this.#socket.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString("latin1");
      this.#wake();
    });
    this.#socket.once("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** All in one write; resolves when each is answered, or the connection has ended. */
  async pipeline(requests: readonly HostileRequest[]): Promise<void> {
    this.#text = "";
    this.#socket.write(Buffer.concat(requests.map(({ bytes }) => bytes)));
    await this.#until(() => this.#isClosed || statusesIn(this.#text).length >= requests.length);
    const answers = statusesIn(this.#text);
    for (const [index, { kind }] of requests.entries()) {
      const status = answers[index];
      if (status === undefined) this.#account.unanswered++;
      this.#note(kind, status);
    }
  }

  /** Sends it, says that nothing more comes, and takes whatever is said until the connection ends. */
  async last({ kind, bytes }: HostileRequest): Promise<void> {
    this.#text = "";
    this.#socket.end(bytes);
    await this.#until(() => this.#isClosed);
    this.#noteAll(kind);
  }

  /** The head and half of the body at once, then a byte now and then; at some time the rest, or never. */
  async slowly({ kind, bytes }: HostileRequest, stepMs: number, steps: number): Promise<void> {
    this.#text = "";
    let sent = Math.floor(bytes.length / 2);
    this.#socket.write(bytes.subarray(0, sent));
    for (let step = 0; step < steps && !this.#isClosed; step++) {
      await pause(stepMs);
      this.#socket.write(bytes.subarray(sent, ++sent));
    }
    if (!this.#isClosed && steps * stepMs < 20_000) this.#socket.write(bytes.subarray(sent));
    await this.#until(() => this.#isClosed || statusesIn(this.#text).length > 0);
    this.#noteAll(kind);
    this.close();
  }

  close(): void {
    this.#socket.destroy();
  }

  #noteAll(kind: string): void {
    const answers = statusesIn(this.#text);
    for (const status of answers.length === 0 ? [undefined] : answers) this.#note(kind, status);
  }

  #note(kind: string, status: string | undefined): void {
    this.#account.add(kind, status ?? "closed");
    if (status === "503" && !this.#text.includes("too many large requests at once")) {
      const from = this.#text.indexOf(" 503 ");
      this.#account.unavailable.push(`${kind}: ${this.#text.slice(from, from + 400)}`);
    }
  }

  async #until(isOver: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#account.hanging++;
        this.close();
      }, longestMs);
      this.#wake = () => {
        if (!isOver()) return;
        clearTimeout(timer);
        resolve();
      };
      this.#wake();
    });
  }
}

function statusesIn(text: string): string[] {
  return Array.from(text.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => status as string);
}
