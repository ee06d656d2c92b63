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
import { type Answer, answerFrom, connectionFailure, type Failure, type Outcome, timedOut } from "./answer.ts";
import { BrokenAnswerError, exchange as exchangeOver } from "./connections.ts";
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
  { baseUrl, publicKey, secretKey }: Destination,
  { bytes, contentType }: DirectBody,
  compression: Compression,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const whole = bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes);
    const isCompressed = compression === "gzip" && whole.length >= smallestCompressedBytes;
    const { statusCode, headers, text } = await exchangeOver(
      "POST",
      `${baseUrl}${tracesPath}`,
      {
        authorization: `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`,
        "content-type": contentType,
        ...(isCompressed ? { "content-encoding": "gzip" } : {}),
        ...ingestionVersionHeader,
        accept: "application/json",
        // Without a word any coding would do.
        "accept-encoding": "identity",
        "user-agent": "langfuse-span-buffer",
      },
      // At once, in this thread: it stands back behind the host's threads, zlib's own threads would not.
      isCompressed ? gzipSync(whole, { level: 1 }) : whole,
      signal,
    );
    return answer(statusCode, headers, text);
  } catch (error) {
    return error instanceof BrokenAnswerError ? cutOff(error.cause) : connectionFailure(error);
  }
}

function cutOff(error: unknown): Failure {
  return { ...connectionFailure(error), failure: "cut-off" };
}

function answer(status: number, headers: Record<string, string | string[] | undefined>, text: string): Answer {
  const get = (name: string): string | null => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(", ") : (value ?? null);
  };
  return answerFrom({ status, headers: { get } }, text);
}
