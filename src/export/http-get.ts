/** One GET of a route that tells about the server: the SDKs are for spans. */
import type { Destination } from "../workers/messages.ts";
import { type Outcome, timedOut } from "./answer.ts";
import { ask } from "./ask.ts";
import { withinTimeLimit } from "./time-limit.ts";

/** Never rejects. `limitMs` is for the whole exchange; redirects are answers. */
export function httpGet(
  { baseUrl, publicKey, secretKey }: Destination,
  path: string,
  limitMs: number,
  options: { withKeys: boolean },
): Promise<Outcome> {
  return withinTimeLimit(limitMs, timedOut, (signal): Promise<Outcome> => {
    const authorization = `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`;
    const headers = { accept: "application/json", ...(options.withKeys ? { authorization } : {}) };
    return ask(`${baseUrl}${path}`, { method: "GET", headers, signal });
  });
}
