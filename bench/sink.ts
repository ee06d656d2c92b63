/** The sink's process: opens gates and moves them as its parent asks. Every message has an answer with its number. */
import process from "node:process";
import { Gate, type GateOptions } from "./gate.ts";

export type SinkRequest =
  | { call: number; action: "open"; gate: number; options: GateOptions }
  | { call: number; action: "leave" | "return" | "read"; gate: number }
  | { call: number; action: "close"; gate: number };

export interface SinkReply {
  call: number;
  value?: unknown;
  error?: string;
}

const gates = new Map<number, Gate>();

async function handle(request: SinkRequest): Promise<unknown> {
  if (request.action === "open") {
    const gate = new Gate(request.options);
    gates.set(request.gate, gate);
    return await gate.arrive();
  }
  const gate = gates.get(request.gate);
  if (gate === undefined) throw new Error(`there is no gate ${request.gate}`);
  if (request.action === "read") return gate.arrivals();
  if (request.action === "return") return await gate.arrive();
  if (request.action === "close") gates.delete(request.gate);
  await gate.leave();
  return undefined;
}

function send(reply: SinkReply): void {
  process.send?.(reply);
}

process.once("disconnect", () => process.exit(0));
process.on("message", (message) => {
  const request = message as SinkRequest;
  handle(request).then(
    (value) => send({ call: request.call, value }),
    (error: unknown) => send({ call: request.call, error: String(error) }),
  );
});
