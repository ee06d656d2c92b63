/**
 * Short hiccups: a connection that was reset, a proxy that restarts. They are over in less time than the pump's
 * shortest pause, so they are waited out here. Everything longer is the pump's.
 */
import pRetry from "p-retry";
import { type Outcome, timedOut } from "./answer.ts";

/** Counts what went out, for the report. */
export interface RequestCounter {
  requests: number;
}

const retries = 2;
const firstPauseMs = 100;
const longestPauseMs = 400;
/** A gateway's words for a backend that is away for a moment. Without `Retry-After`: with it, the server has a plan. */
const gatewayStatuses: readonly number[] = [502, 503, 504];

class Hiccup extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super("hiccup");
    this.outcome = outcome;
  }
}

/**
 * Sends one request, up to three times: again only when nothing came back but a network error or a gateway's word.
 * Not after a timeout (that is no hiccup), and not after an answer that broke off: it may have been stored.
 *
 * @param sendOnce makes one request within the given milliseconds; must not reject.
 * @param limitMs of one request; everything together takes at most twice that.
 */
export async function throughHiccups(
  sendOnce: (limitMs: number) => Promise<Outcome>,
  limitMs: number,
  counter: RequestCounter,
): Promise<Outcome> {
  const started = performance.now();
  const attempt = async (): Promise<Outcome> => {
    const left = limitMs * 2 - (performance.now() - started);
    if (left <= 0) return timedOut;
    counter.requests++;
    const outcome = await sendOnce(Math.min(limitMs, left));
    if (isHiccup(outcome)) throw new Hiccup(outcome);
    return outcome;
  };
  try {
    return await pRetry(attempt, {
      retries,
      minTimeout: firstPauseMs,
      maxTimeout: longestPauseMs,
      randomize: true,
      maxRetryTime: limitMs * 2,
    });
  } catch (error) {
    if (error instanceof Hiccup) return error.outcome;
    throw error;
  }
}

function isHiccup(outcome: Outcome): boolean {
  if (outcome.kind === "failure") return outcome.failure === "network";
  return gatewayStatuses.includes(outcome.status) && outcome.retryAfter === undefined;
}
