import { onTestFinished } from "vitest";
import { hash } from "node:crypto";
import type { Log } from "../../src/server/context.ts";
import type { SidecarOptions } from "../../src/server/options.ts";
import { type Sidecar, startSidecar } from "../../src/server/serve.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

export interface LoggedLine {
  level: keyof Log;
  fields: Record<string, unknown>;
  message: string;
}

export interface TestSidecar extends Sidecar {
  directory: string;
  log: LoggedLine[];
}

/** A sidecar on a free port with a folder of its own, closed when the test ends; no keys unless they are given. */
export async function sidecarFor(
  baseUrl: string,
  { buffer, ...options }: Partial<SidecarOptions> = {},
): Promise<TestSidecar> {
  const directory = buffer?.directory ?? temporaryDirectory();
  const { log, lines } = recordingLog();
  const sidecar = await startSidecar(
    { port: 0, ...options, buffer: { baseUrl, directory, flushInterval: 0.05, ...buffer } },
    { log },
  );
  onTestFinished(() => sidecar.close(2_000));
  return Object.assign(sidecar, { directory, log: lines });
}

export function recordingLog(): { log: Log; lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const at =
    (level: keyof Log) =>
    (fields: Record<string, unknown>, message: string): void => {
      lines.push({ level, fields, message });
    };
  return { log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }, lines };
}

export const standInKeys = { publicKey: "pk-lf-stand-in", secretKey: "sk-lf-stand-in" } as const;

export function basic({ publicKey, secretKey }: { publicKey: string; secretKey: string }): string {
  return `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`;
}

/** An OTLP request in JSON of so many spans with ids of their own, which the trace's name makes. */
export function otlpJson(trace: string, count = 1): string {
  const now = BigInt(Date.now()) * 1_000_000n;
  const spans = Array.from({ length: count }, (_, index) => ({
    traceId: hash("md5", trace),
    spanId: hash("md5", `${trace} ${index}`).slice(0, 16),
    name: trace,
    kind: 1,
    startTimeUnixNano: `${now}`,
    endTimeUnixNano: `${now + 1_000_000n}`,
  }));
  return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ scope: { name: "test" }, spans }] }] });
}
