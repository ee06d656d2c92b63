/** One GET of a route that tells about the server, through the platform's `fetch`: the SDKs are for spans. */
import type { Destination } from "../workers/messages.ts";
import { authorizationOf } from "./authorization.ts";
import { answerFrom, failureFrom, type Outcome, timedOut } from "./answer.ts";
import { withinTimeLimit } from "./time-limit.ts";

/** Never rejects. `limitMs` is for the whole exchange; redirects are answers. */
export function httpGet(
  destination: Destination,
  path: string,
  limitMs: number,
  options: { withKeys: boolean },
): Promise<Outcome> {
  return withinTimeLimit(limitMs, timedOut, async (signal): Promise<Outcome> => {
    try {
      const authorization = authorizationOf(destination);
      const response = await fetch(`${destination.baseUrl}${path}`, {
        signal,
        redirect: "manual",
        headers: { accept: "application/json", ...(options.withKeys ? { authorization } : {}) },
      });
      return answerFrom(response, await response.text());
    } catch (error) {
      return failureFrom(error);
    }
  });
}
