/**
 * One OTLP request through `@langfuse/client`. What the SDK does that is not what it seems, and what is done about it
 * here:
 *
 * - it resolves on a 200 with an HTML or empty body: the raw response's content type and the body go into the answer;
 * - its time limit ends at the headers: ours covers the body;
 * - it gives back a body that is not JSON as `{ok: false, error: {reason: "non-json", rawBody}}`, success or not;
 * - an error without `statusCode` is anything from DNS to a body that could not be parsed: told apart by the message;
 * - it would follow redirects, turning POST into GET: sdk-fetch.ts does not.
 */
import type { LangfuseClient } from "@langfuse/client";
import { type Answer, answerHead, bodyFields, failureOf, type Outcome, timedOut } from "./answer.ts";
import { lastNetworkCause } from "./network-cause.ts";
import type { OtlpRequest } from "./otlp.ts";
import { ingestionVersionHeader } from "./otlp-route.ts";
import { ownConnection } from "./sdk-fetch.ts";
import { withinTimeLimit } from "./time-limit.ts";

type ExportRequest = Parameters<LangfuseClient["api"]["opentelemetry"]["exportTraces"]>[0];

interface RawResponse {
  status: number;
  headers: Headers;
  redirected: boolean;
  url: string;
}

/** Never rejects. `limitMs` is for the whole exchange. */
export function sendOtlp(
  client: LangfuseClient,
  baseUrl: string,
  request: OtlpRequest,
  limitMs: number,
): Promise<Outcome> {
  return withinTimeLimit(limitMs, timedOut, async (abortSignal): Promise<Outcome> => {
    try {
      const { data, rawResponse } = await client.api.opentelemetry
        // The SDK's types know only the simplest attribute values.
        .exportTraces(request as unknown as ExportRequest, {
          maxRetries: 0,
          // Only so that the SDK's timer, which outlives a refused connection, is not its default of 60 s.
          timeoutInSeconds: limitMs / 1_000 + 1,
          abortSignal,
          headers: { ...ingestionVersionHeader, ...ownConnection },
        })
        .withRawResponse();
      return answerOf(rawResponse, data);
    } catch (error) {
      return outcomeOfError(error, baseUrl);
    }
  });
}

function outcomeOfError(error: unknown, baseUrl: string): Outcome {
  const { statusCode, rawResponse, body, message } = error as {
    statusCode?: unknown;
    rawResponse?: RawResponse;
    body?: unknown;
    message?: unknown;
  };
  if (typeof statusCode === "number" && rawResponse !== undefined) return answerOf(rawResponse, body);
  const words = String(message ?? error);
  if (!words.startsWith("fetch failed")) return { kind: "failure", failure: "cut-off", message: words };
  const code = lastNetworkCause(baseUrl);
  return { kind: "failure", failure: failureOf(code), message: words, ...(code === undefined ? {} : { code }) };
}

function answerOf(rawResponse: RawResponse, body: unknown): Answer {
  const notJson = (body as { error?: { reason?: unknown; rawBody?: string } } | undefined | null)?.error;
  if (notJson?.reason === "non-json") return { ...answerHead(rawResponse), text: notJson.rawBody ?? "" };
  if (typeof body === "string") return { ...answerHead(rawResponse), text: body };
  return { ...answerHead(rawResponse), ...bodyFields(body, "") };
}
