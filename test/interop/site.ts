/** A stand-in of Langfuse and a sidecar before it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type StandIn, startStandIn } from "../../src/stand-in/index.ts";
import { type Client, type Made, programs } from "./clients.ts";
import { type SidecarProcess, sidecarProcess } from "./sidecar.ts";

export interface Site {
  langfuse: StandIn;
  sidecar: SidecarProcess;
  close(): Promise<void>;
}

/** @param generation of the stand-in; `ingestion`: a server that takes the legacy events as they are. */
export async function openSite(generation: "otlp" | "ingestion"): Promise<Site> {
  const langfuse = await startStandIn({ generation });
  const directory = mkdtempSync(join(tmpdir(), "span-buffer-interop-"));
  const sidecar = await sidecarProcess({ langfuseUrl: langfuse.url, directory });
  const close = async (): Promise<void> => {
    await sidecar.kill();
    await langfuse.close();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await sidecar.start();
  } catch (error) {
    await close();
    throw error;
  }
  return { langfuse, sidecar, close };
}

/** How often an observation was stored; ids that legacy events get as OTLP spans are found by their names. */
export function arrivals(client: Client, langfuse: StandIn): (made: Made) => number {
  const ids = langfuse.ids();
  if (programs[client.name].isLegacy !== true) return ({ id }) => ids[id] ?? 0;
  const byName: Record<string, number> = {};
  for (const { id, name } of langfuse.spans()) byName[name ?? ""] = (byName[name ?? ""] ?? 0) + (ids[id] ?? 0);
  return ({ name }) => byName[name] ?? 0;
}

/**
 * What the client takes for delivered and Langfuse has not. Waits for it: the message says more than a time limit.
 *
 * @param deadlineMs as `performance.now()` has it.
 */
export async function missingAt(deadlineMs: number, client: Client, langfuse: StandIn): Promise<Made[]> {
  for (;;) {
    const arrived = arrivals(client, langfuse);
    const scores = new Set(langfuse.scores().map(({ id }) => id));
    const { delivered } = client;
    const missing = [
      ...client.observations.filter((made) => delivered.has(made.id) && arrived(made) === 0),
      ...client.scores.filter(({ id }) => delivered.has(id) && !scores.has(id)),
    ];
    if (missing.length === 0 || performance.now() > deadlineMs) return missing;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Observations that came several times although the client was answered each time. */
export function twice(client: Client, langfuse: StandIn): Made[] {
  const arrived = arrivals(client, langfuse);
  const { failed } = client;
  return client.observations.filter((made) => arrived(made) > 1 && !failed.has(made.id));
}

/** Requests that the sidecar answered 503, by its own count. */
export async function unavailable(sidecar: SidecarProcess): Promise<number> {
  const { body } = await get(`${sidecar.url}/metrics`);
  const name = "span_buffer_receiver_unavailable_total";
  if (!String(body).includes(`# TYPE ${name} `)) throw new Error(`${name} is not among the metrics`);
  const samples = String(body).matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, "gm"));
  return [...samples].reduce((sum, [, count]) => sum + Number(count), 0);
}

const authorization = `Basic ${Buffer.from("pk-lf-stand-in:sk-lf-stand-in").toString("base64")}`;

/** As a user of Langfuse's API would, from the sidecar or from the stand-in. */
export async function get(url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, { headers: { authorization } });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, body: text };
  }
}
