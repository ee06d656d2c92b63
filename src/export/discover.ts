/**
 * Which route does this server have? `GET /api/public/health` says its version without asking for keys. The answer is
 * remembered for a while: servers are upgraded, but not often.
 */
import { LRUCache } from "lru-cache";
import type { Destination, Transport } from "../workers/messages.ts";
import type { Outcome } from "./answer.ts";
import { isRecord } from "./attribute-values.ts";
import { type Classification, classify } from "./classify.ts";
import { destinationKey } from "./clients.ts";
import { type RequestCounter, throughHiccups } from "./hiccups.ts";
import { httpGet } from "./http-get.ts";
import { hostOf, redact } from "./redact.ts";

export interface Server {
  /** The route to send spans to. */
  transport: Transport;
  /** As the server says it; absent when it does not. */
  version?: string;
  major?: number;
}

export type Discovery = { server: Server; trouble?: never } | { server?: never; trouble: Classification };

const healthPath = "/api/public/health";
const rememberedMs = 10 * 60_000;
/** The first version with the OTLP route. */
const firstOtlpVersion = { major: 3, minor: 22 };

const servers = new LRUCache<string, Server>({ max: 16, ttl: rememberedMs });
/** Tasks that start together ask once. */
const asking = new Map<string, Promise<Discovery>>();

/** Asks the server, or remembers. Never rejects. */
export async function discover(
  destination: Destination,
  timeoutMs: number,
  counter: RequestCounter,
): Promise<Discovery> {
  const key = destinationKey(destination);
  const known = servers.get(key);
  if (known !== undefined) return { server: known };
  const pending = asking.get(key);
  if (pending !== undefined) return pending;
  const asked = ask(destination, timeoutMs, counter).then((discovery) => {
    if (discovery.server !== undefined) servers.set(key, discovery.server);
    return discovery;
  });
  asking.set(key, asked);
  try {
    return await asked;
  } finally {
    asking.delete(key);
  }
}

/** Called when the server turned out to be another one than was thought. */
export function forgetServer(destination: Destination): void {
  servers.delete(destinationKey(destination));
}

async function ask(destination: Destination, timeoutMs: number, counter: RequestCounter): Promise<Discovery> {
  const get = (limitMs: number): Promise<Outcome> => httpGet(destination, healthPath, limitMs, { withKeys: false });
  const outcome = await throughHiccups(get, timeoutMs, counter);
  const server = serverFrom(outcome);
  return server === undefined ? { trouble: troubleOf(outcome, destination, timeoutMs) } : { server };
}

/** What a health answer tells; undefined when it is none of Langfuse's. */
export function serverFrom(outcome: Outcome): Server | undefined {
  if (outcome.kind !== "answer" || outcome.status !== 200 || !isRecord(outcome.json)) return undefined;
  const { version } = outcome.json;
  const parsed = typeof version === "string" ? /^v?(\d+)\.(\d+)/.exec(version) : null;
  // No version: as today's servers. If it is an older one, OTLP answers 404 and the batch goes the other way.
  if (parsed === null || typeof version !== "string") return { transport: "otlp" };
  const [major, minor] = [Number(parsed[1]), Number(parsed[2])];
  const hasOtlp =
    major > firstOtlpVersion.major || (major === firstOtlpVersion.major && minor >= firstOtlpVersion.minor);
  return { transport: hasOtlp ? "otlp" : "ingestion", version, major };
}

/** No health, no sending: wait where the server asks for it, and otherwise call it an outage. */
function troubleOf(outcome: Outcome, destination: Destination, timeoutMs: number): Classification {
  const classification = classify(outcome, { transport: "ingestion", destination, timeoutMs });
  if (classification.verdict === "retry" || classification.verdict === "wait") return classification;
  const host = hostOf(destination.baseUrl);
  const status = outcome.kind === "answer" ? outcome.status : 0;
  const type = outcome.kind === "answer" && outcome.contentType !== "" ? outcome.contentType : "no content type";
  const reason = `not Langfuse at ${host}: its health route answers ${status} with ${type}; check LANGFUSE_BASE_URL`;
  return { verdict: "retry", status, reason: redact(reason, destination) };
}
