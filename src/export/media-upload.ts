/**
 * One medium to Langfuse, as its SDKs send it (`uploadMedia` of @langfuse/core): ask where to (`POST /api/public/media`),
 * put the bytes there, report that they are there (`PATCH /api/public/media/:id`). The keys go to Langfuse alone.
 */
import { LRUCache } from "lru-cache";
import type { Destination } from "../workers/messages.ts";
import { type Outcome, timedOut } from "./answer.ts";
import { isRecord } from "./attribute-values.ts";
import { authorizationOf } from "./authorization.ts";
import { classify, type Classification } from "./classify.ts";
import { destinationKey } from "./clients.ts";
import { outcomeOf } from "./exchange-outcome.ts";
import { type RequestCounter, throughHiccups } from "./hiccups.ts";
import type { Media } from "./media-references.ts";
import { hostOf, redact } from "./redact.ts";
import { withinTimeLimit } from "./time-limit.ts";

/**
 * - `uploaded`: the reference may be sent.
 * - `refused`: this server never takes it; the data stay in the span.
 * - `storage`: Langfuse would, but where it keeps media does not: later.
 * - `trouble`: Langfuse itself cannot be asked now; what it means for the batch.
 */
export type MediaOutcome =
  | { kind: "uploaded" }
  | { kind: "refused" | "storage"; reason: string }
  | { kind: "trouble"; trouble: Classification };

export interface MediaOwner {
  destination: Destination;
  traceId: string;
  observationId: string;
}

/** What has been uploaded for which span: a batch that comes again need not ask again. */
const uploaded = new LRUCache<string, true>({ max: 4_096 });

const mediaPath = "/api/public/media";
/** An older server, or one without storage for media. */
const withoutMedia: readonly number[] = [404, 405, 501];

/** Never rejects. */
export async function uploadMedia(
  media: Media,
  owner: MediaOwner,
  timeoutMs: number,
  counter: RequestCounter,
): Promise<MediaOutcome> {
  const { destination, traceId, observationId } = owner;
  const key = JSON.stringify([destinationKey(destination), traceId, observationId, media.field, media.id]);
  if (uploaded.has(key)) return { kind: "uploaded" };
  const outcome = await upload(media, owner, timeoutMs, counter);
  if (outcome.kind === "uploaded") uploaded.set(key, true);
  return outcome;
}

async function upload(
  media: Media,
  { destination, traceId, observationId }: MediaOwner,
  timeoutMs: number,
  counter: RequestCounter,
): Promise<MediaOutcome> {
  const api = (method: "POST" | "PATCH", path: string, body: object): Promise<Outcome> =>
    throughHiccups(
      (limitMs) =>
        send(method, destination.baseUrl + path, headersOf(destination), Buffer.from(JSON.stringify(body)), limitMs),
      timeoutMs,
      counter,
    );
  const judge = (outcome: Outcome): MediaOutcome => judged(outcome, destination, timeoutMs);
  const { contentType, field, sha256: sha256Hash, bytes } = media;
  const contentLength = bytes.length;
  const asked = await api("POST", mediaPath, { traceId, observationId, field, contentType, contentLength, sha256Hash });
  const permission = judge(asked);
  if (permission.kind !== "uploaded") return permission;
  const { uploadUrl, mediaId } = answerOf(asked);
  // Known there already.
  if (uploadUrl === null || uploadUrl === undefined) return { kind: "uploaded" };
  if (
    mediaId !== media.id ||
    typeof uploadUrl !== "string" ||
    !/^https?:/.test(uploadUrl) ||
    !URL.canParse(uploadUrl)
  ) {
    return { kind: "refused", reason: `${hostOf(destination.baseUrl)} does not know media by their content` };
  }
  const startedMs = performance.now();
  const put = await throughHiccups(
    (limitMs) => send("PUT", uploadUrl, storageHeaders(uploadUrl, media), bytes, limitMs),
    timeoutMs,
    counter,
  );
  const status = put.kind === "answer" ? put.status : undefined;
  const words = status === undefined ? failureWords(put) : `it answers ${status}`;
  const isStored = status === 200 || status === 201;
  if (status !== undefined) {
    const report = judge(
      await api("PATCH", `${mediaPath}/${media.id}`, {
        uploadedAt: new Date().toISOString(),
        uploadHttpStatus: status,
        uploadHttpError: isStored ? "" : words,
        uploadTimeMs: Math.round(performance.now() - startedMs),
      }),
    );
    if (isStored) return report;
  }
  const reason = `the storage for media at ${hostOf(uploadUrl)} does not take them: ${words}; the option media: false sends spans with the data in them`;
  return { kind: "storage", reason: redact(reason, destination) };
}

/** What Langfuse's own answer says; `uploaded`: it agrees. */
function judged(outcome: Outcome, destination: Destination, timeoutMs: number): MediaOutcome {
  const classification = classify(outcome, { transport: "ingestion", destination, timeoutMs });
  const { verdict, status = 0, reason = verdict } = classification;
  if (outcome.kind === "answer" && status >= 200 && status < 300 && outcome.contentType !== "text/html") {
    return { kind: "uploaded" };
  }
  if (withoutMedia.includes(status) || verdict === "rejected" || verdict === "too-large") {
    return { kind: "refused", reason };
  }
  return { kind: "trouble", trouble: { ...classification, reason: `media: ${reason}` } };
}

function answerOf(outcome: Outcome): { uploadUrl?: unknown; mediaId?: unknown } {
  return outcome.kind === "answer" && isRecord(outcome.json) ? outcome.json : {};
}

function failureWords(outcome: Outcome): string {
  return outcome.kind === "failure"
    ? [outcome.failure, outcome.code].filter((part) => part !== undefined).join(" ")
    : "";
}

function headersOf(destination: Destination): Record<string, string> {
  return {
    authorization: authorizationOf(destination),
    "content-type": "application/json",
    accept: "application/json",
    "accept-encoding": "identity",
    "user-agent": "langfuse-span-buffer",
  };
}

/** S3 checks the content, Azure must be told the kind; Google's signature covers no header but the type. */
function storageHeaders(url: string, { contentType, sha256 }: Media): Record<string, string> {
  const { hostname } = new URL(url);
  const isGoogle = hostname === "storage.googleapis.com" || hostname.endsWith(".storage.googleapis.com");
  if (isGoogle) return { "content-type": contentType };
  return { "content-type": contentType, "x-amz-checksum-sha256": sha256, "x-ms-blob-type": "BlockBlob" };
}

function send(
  method: "POST" | "PUT" | "PATCH",
  url: string,
  headers: Record<string, string>,
  body: Buffer,
  limitMs: number,
): Promise<Outcome> {
  return withinTimeLimit(limitMs, timedOut, (signal) => outcomeOf(method, url, headers, body, signal));
}
