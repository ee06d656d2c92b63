import type { Server } from "../../export/discover.ts";
import type { Destination } from "../../workers/messages.ts";
import { readSettings, type Settings } from "./settings.ts";

export interface DoctorOptions {
  /** In place of the environment's. */
  directory?: string | undefined;
  env: NodeJS.ProcessEnv;
  /** For each step that asks the network, in milliseconds. */
  timeoutMs: number;
  /** Send a trace and look for it. */
  isSending: boolean;
}

/** What is examined, and what the steps have found out about it so far. */
export interface Patient {
  readonly options: DoctorOptions;
  readonly settings: Settings;
  /** With empty keys where they are missing. */
  readonly destination: Destination;
  /** Things to undo, the latest first. */
  readonly undo: (() => void)[];
  /** By the health route. */
  server?: Server;
  /** What the server's clock said, and this one's in the middle of that exchange; milliseconds since 1970. */
  clocks?: { serverMs: number; hereMs: number };
  /** Of the trace that was sent. */
  traceId?: string;
}

export function patientFrom(options: DoctorOptions): Patient {
  const settings = readSettings(options.directory, options.env);
  const { baseUrl, publicKey = "", secretKey = "" } = settings.options;
  return { options, settings, destination: { baseUrl, publicKey, secretKey }, undo: [] };
}
