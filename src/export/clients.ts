/**
 * The SDK clients, one of each kind for a destination. A client is built once and kept, because a bot may have
 * several destinations (projects) and building one costs more than sending a batch. Each SDK is loaded when it is
 * first needed: nearly every thread needs only one of them.
 */
import type { LangfuseClient } from "@langfuse/client";
import type { Langfuse } from "langfuse";
import { LRUCache } from "lru-cache";
import type { Destination } from "../workers/messages.ts";
import { watchNetworkCauses } from "./network-cause.ts";
import { installSdkFetch } from "./sdk-fetch.ts";

/** More destinations than this in one process are not a bot; the least recently used is rebuilt when it comes back. */
const mostDestinations = 16;

const otlpClients = new LRUCache<string, LangfuseClient>({ max: mostDestinations });
const ingestionClients = new LRUCache<string, Langfuse>({ max: mostDestinations });

/** Tells destinations apart. Holds the secret key: for maps in memory only. */
export function destinationKey({ baseUrl, publicKey, secretKey }: Destination): string {
  return JSON.stringify([baseUrl, publicKey, secretKey]);
}

/** The SDKs write to the console, or fall back to environment variables, without them. */
export function hasKeys({ publicKey, secretKey }: Destination): boolean {
  return publicKey !== "" && secretKey !== "";
}

/** The client for OTLP. Needs keys (`hasKeys`). */
export async function otlpClient(destination: Destination): Promise<LangfuseClient> {
  const key = destinationKey(destination);
  const known = otlpClients.get(key);
  if (known !== undefined) return known;
  watchNetworkCauses();
  installSdkFetch();
  const sdk = await import("@langfuse/client");
  const client = new sdk.LangfuseClient({ ...destination });
  otlpClients.set(key, client);
  return client;
}

/** The client for ingestion. Needs keys (`hasKeys`). */
export async function ingestionClient(destination: Destination): Promise<Langfuse> {
  const key = destinationKey(destination);
  const known = ingestionClients.get(key);
  if (known !== undefined) return known;
  const sdk = await import("langfuse");
  const client = new sdk.Langfuse({
    ...destination,
    // Only `api` is used. Disabled, and with an environment that needs no check, the client queues nothing, starts
    // no timer and has nothing to say on the console.
    enabled: false,
    environment: "default",
  });
  ingestionClients.set(key, client);
  return client;
}
