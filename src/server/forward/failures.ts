/** The sidecar's own answers for what it cannot pass on, in the form of Langfuse's: `{ message, error }`. */
import type { Context } from "hono";
import { causeWords } from "../../export/network-cause.ts";
import { hostOf, redact } from "../../export/redact.ts";
import type { Project, Refusal } from "../context.ts";

const stillTaken = "Spans and scores are still taken, and delivered when Langfuse is there.";

export function refusal(context: Context, { status, message }: Refusal): Response {
  return context.json({ message, error: "UnauthorizedError" }, status);
}

export function tooLarge(context: Context, maxBytes: number): Response {
  const message = `Body exceeds the sidecar's limit of ${maxBytes} bytes (--max-request-bytes)`;
  // What is still coming is not waited for.
  return context.json({ message, error: "PayloadTooLarge" }, 413, { connection: "close" });
}

export function badGateway(
  context: Context,
  project: Project,
  cause: { code: string | undefined; message: string },
): Response {
  return unavailable(context, project, 502, `cannot be reached: ${causeWords(cause.code, cause.message)}`);
}

export function loop(context: Context, project: Project): Response {
  const words = "is this sidecar itself: give it Langfuse's own address (LANGFUSE_BASE_URL, --base-url, baseUrl)";
  return unavailable(context, project, 502, words);
}

export function gatewayTimeout(context: Context, project: Project, limitMs: number): Response {
  const words = `has not answered within ${limitMs} ms: it is overloaded, or something on the way drops the packets`;
  return unavailable(context, project, 504, words);
}

function unavailable(context: Context, { destination }: Project, status: 502 | 504, words: string): Response {
  const message = redact(`Langfuse at ${hostOf(destination.baseUrl)} ${words}. ${stillTaken}`, destination);
  return context.json({ message, error: status === 502 ? "LangfuseUnavailable" : "LangfuseTimeout" }, status);
}
