/**
 * One OTLP request without the SDK: the body as it is, or compressed, over connections of our own. What comes back is
 * the same `Outcome`, so that the answer table judges it as it judges the SDK's. What differs:
 *
 * - redirects are not followed: they are answers with a place to go to, which the table refuses either way;
 * - no more than a part of a large answer is read: Langfuse's are short.
 *
 * Nothing is sent twice here. undici repeats a POST only when not a byte of it had left, so a request that the server
 * may have stored comes back as a failure, for hiccups.ts and the pump to judge.
 */
import { gzipSync } from "node:zlib";
import type { Compression, Destination } from "../workers/messages.ts";
import { connectionFailure, type Outcome, timedOut } from "./answer.ts";
import { authorizationOf } from "./authorization.ts";
import { outcomeOf } from "./exchange-outcome.ts";
import { ingestionVersionHeader } from "./otlp-route.ts";
import { withinTimeLimit } from "./time-limit.ts";

export interface DirectBody {
  /** In one piece or several. */
  bytes: Uint8Array | readonly Uint8Array[];
  contentType: "application/x-protobuf" | "application/json";
}

const tracesPath = "/api/public/otel/v1/traces";
/** Below this a body fits into one packet anyway. */
const smallestCompressedBytes = 1_024;

/** Never rejects. `limitMs` is for the whole exchange, from connecting to the last byte of the answer. */
export function sendDirect(
  destination: Destination,
  body: DirectBody,
  compression: Compression,
  limitMs: number,
): Promise<Outcome> {
  return withinTimeLimit(limitMs, timedOut, (signal) => exchange(destination, body, compression, signal));
}

async function exchange(
  destination: Destination,
  { bytes, contentType }: DirectBody,
  compression: Compression,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const whole = bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes);
    const isCompressed = compression === "gzip" && whole.length >= smallestCompressedBytes;
    const headers = {
      authorization: authorizationOf(destination),
      "content-type": contentType,
      ...(isCompressed ? { "content-encoding": "gzip" } : {}),
      ...ingestionVersionHeader,
      accept: "application/json",
      // Without a word any coding would do.
      "accept-encoding": "identity",
      "user-agent": "langfuse-span-buffer",
    };
    // At once, in this thread: it stands back behind the host's threads, zlib's own threads would not.
    const body = isCompressed ? gzipSync(whole, { level: 1 }) : whole;
    return await outcomeOf("POST", `${destination.baseUrl}${tracesPath}`, headers, body, signal);
  } catch (error) {
    // No memory for the whole body, or to compress it in.
    return connectionFailure(error);
  }
}
