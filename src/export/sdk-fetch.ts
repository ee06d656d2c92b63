/**
 * The SDK's way to the network. `@langfuse/client` calls the thread's `fetch`, whose streams and clones cost four times
 * as much as the request itself, and which follows redirects: a span could be stored at one place and sent again to
 * another. So its requests with spans go over our own connections. They are told by a header that is not sent; every
 * other call of `fetch` in the thread is the platform's as before.
 */
import { BrokenAnswerError, exchange } from "./connections.ts";

const markName = "x-span-buffer-connection";

/** To be among the headers of a request that is to go over our own connections. */
export const ownConnection: Readonly<Record<string, string>> = { [markName]: "own" };

/** Statuses whose `Response` may have no body. */
const withoutBody: readonly number[] = [204, 205, 304];

let isInstalled = false;

/** From now on marked requests of this thread take the way above. */
export function installSdkFetch(): void {
  if (isInstalled) return;
  isInstalled = true;
  const platformFetch = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    const headers = init?.headers as Record<string, string> | undefined;
    const isMarked = typeof input === "string" && headers?.[markName] !== undefined;
    return isMarked ? ownFetch(input, init as RequestInit) : platformFetch(input, init);
  };
}

async function ownFetch(url: string, { headers, body, signal }: RequestInit): Promise<Response> {
  const { [markName]: _, ...sent } = headers as Record<string, string>;
  let isAnswered = false;
  try {
    const answer = await exchange(
      "POST",
      url,
      { ...sent, "accept-encoding": "identity" },
      body as string,
      signal as AbortSignal,
    );
    isAnswered = true;
    // Bytes, not a text: that would be given a content type that the server did not send. Throws on a status that is none.
    return new Response(withoutBody.includes(answer.statusCode) ? null : Buffer.from(answer.text), {
      status: answer.statusCode,
      headers: Object.entries(answer.headers).flatMap(([name, value]) =>
        (typeof value === "string" ? [value] : (value ?? [])).map((one): [string, string] => [name, one]),
      ),
    });
  } catch (error) {
    // In the words of the platform's `fetch`, by which otlp-sender.ts tells failures apart.
    const isBroken = isAnswered || error instanceof BrokenAnswerError;
    throw new TypeError(isBroken ? "terminated" : "fetch failed", { cause: error });
  }
}
