/** Export tasks for tests: spans with ids of their own, keys that would be found wherever they leaked. */
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import type { Compression, Destination, ExportTask, SenderName, Transport } from "../../src/workers/messages.ts";

export const secretKey = "sk-lf-very-secret-0123";
export const publicKey = "pk-lf-public-0123";

export function destinationAt(baseUrl: string): Destination {
  return { baseUrl, publicKey, secretKey };
}

export function span(number: number, fields: Partial<SpanPayload> = {}): SpanPayload {
  return {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: `b7ad6b71692033${number.toString(16).padStart(2, "0")}`,
    name: `span ${number}`,
    startTimeUnixNano: "1793520000000000000",
    endTimeUnixNano: "1793520001500999999",
    ...fields,
  };
}

export interface TaskOptions {
  transport?: Transport | "auto";
  sender?: SenderName;
  compression?: Compression;
  timeoutMs?: number;
}

/** Payloads may be given as text, to be what no span is. */
export function taskFor(
  baseUrl: string,
  payloads: readonly (SpanPayload | string)[],
  { transport = "otlp", sender = "sdk", compression = "none", timeoutMs = 2_000 }: TaskOptions = {},
): ExportTask {
  const parts = payloads.map((payload) => Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload)));
  return {
    destination: destinationAt(baseUrl),
    transport,
    sender,
    compression,
    payloads: new Uint8Array(Buffer.concat(parts)),
    lengths: parts.map(({ length }) => length),
    timeoutMs,
  };
}

/** A way to the server: its route, and who takes it. */
export interface Way {
  transport: Transport;
  sender: SenderName;
}

/** Every way there is. Ingestion is always the SDK's. */
export const ways: readonly Way[] = [
  { transport: "otlp", sender: "sdk" },
  { transport: "otlp", sender: "direct" },
  { transport: "ingestion", sender: "sdk" },
];
