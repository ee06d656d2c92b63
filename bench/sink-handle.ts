/** The runner's hold on the sink's process and its gates. */
import type { ChildProcess } from "node:child_process";
import type { Arrivals, GateOptions } from "./gate.ts";
import { end, startSinkProcess } from "./processes.ts";
import type { SinkReply, SinkRequest } from "./sink.ts";

type Asked = SinkRequest extends infer Request
  ? Request extends { call: number }
    ? Omit<Request, "call">
    : never
  : never;

export interface GateHandle {
  baseUrl: string;
  /** From now on connections are refused. */
  leave(): Promise<void>;
  /** On the same port again. */
  return(): Promise<void>;
  read(): Promise<Arrivals>;
  close(): Promise<void>;
}

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

export class Sink {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #gates = 0;

  constructor() {
    this.#child = startSinkProcess();
    this.#child.on("message", (message) => this.#receive(message as SinkReply));
    this.#child.once("exit", () => this.#fail(new Error("the sink's process has ended")));
    this.#child.once("error", (error) => this.#fail(error));
  }

  /** A new address of the sink, with counters of its own. */
  async open(options: GateOptions): Promise<GateHandle> {
    const gate = ++this.#gates;
    const port = (await this.#ask({ action: "open", gate, options })) as number;
    return {
      baseUrl: `http://127.0.0.1:${port}`,
      leave: async () => void (await this.#ask({ action: "leave", gate })),
      return: async () => void (await this.#ask({ action: "return", gate })),
      read: async () => (await this.#ask({ action: "read", gate })) as Arrivals,
      close: async () => void (await this.#ask({ action: "close", gate })),
    };
  }

  /** Of its whole process so far. */
  async cpuMicros(): Promise<number> {
    const gate = await this.open({});
    const { sinkCpuMicros } = await gate.read();
    await gate.close();
    return sinkCpuMicros;
  }

  async stop(): Promise<void> {
    await end(this.#child);
  }

  async #ask(asked: Asked): Promise<unknown> {
    const call = ++this.#calls;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      this.#child.send({ ...asked, call });
    });
  }

  #receive({ call, value, error }: SinkReply): void {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
