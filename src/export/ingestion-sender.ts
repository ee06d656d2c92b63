/**
 * One ingestion request through `langfuse` (v3). What the SDK does that is not what it seems, and what is done about
 * it here:
 *
 * - it has no time limit: a signal of ours covers connecting, headers and body;
 * - it returns the parsed body and nothing else: asked for a `Blob`, it gives a body that still knows its content type;
 * - it throws the `Response` itself on anything but 2xx, the body (our Blob) in its property `error`;
 * - a body that breaks off is swallowed, and the result is null;
 * - it would follow redirects, turning POST into GET: not with `redirect: "manual"`.
 */
import type { Langfuse } from "langfuse";
import {
  answerFrom,
  answerHead,
  bodyFields,
  failureFrom,
  mediaType,
  type Outcome,
  parseJson,
  timedOut,
} from "./answer.ts";
import type { IngestionRequest } from "./ingestion.ts";
import { withinTimeLimit } from "./time-limit.ts";

type BatchPayload = Parameters<Langfuse["api"]["ingestionBatch"]>[0];

const brokenBody: Outcome = { kind: "failure", failure: "cut-off", message: "the answer broke off" };

/** Never rejects. `limitMs` is for the whole exchange. */
export function sendIngestion(client: Langfuse, request: IngestionRequest, limitMs: number): Promise<Outcome> {
  return withinTimeLimit(limitMs, timedOut, async (signal): Promise<Outcome> => {
    try {
      const body: unknown = await client.api.ingestionBatch(request as unknown as BatchPayload, {
        signal,
        format: "blob",
        redirect: "manual",
      });
      if (!(body instanceof Blob)) return brokenBody;
      const text = await body.text();
      return { kind: "answer", status: 200, contentType: mediaType(body.type), ...bodyFields(parseJson(text), text) };
    } catch (error) {
      return error instanceof Response ? refused(error) : failureFrom(error);
    }
  });
}

async function refused(response: Response): Promise<Outcome> {
  const body = (response as { error?: unknown }).error;
  // The status alone decides; a body that broke off is only missing from the reason.
  return body instanceof Blob ? answerFrom(response, await body.text()) : { ...answerHead(response), text: "" };
}
