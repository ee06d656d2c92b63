/**
 * The connections for spans: one pool for the thread, kept open between requests. It goes through the same proxies as
 * the platform's `fetch`, which the health route uses: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` count when Node was
 * told to heed them. Idle connections do not keep a thread alive.
 */
import process from "node:process";
import type { Dispatcher } from "undici";

/** Less than the 5 s after which a Node server closes a silent connection, so that none is used as it closes. */
const idleTimeoutMs = 4_000;
/** Longer is not kept, whatever the server offers: balancers forget silent connections without a word. */
const longestIdleMs = 60_000;

/** Langfuse's answers are short. */
const longestAnswerBytes = 1_000_000;

let connections: Promise<Dispatcher> | undefined;

/** One request with its whole answer, or the first part of a very long one. */
export interface WholeAnswer {
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** An answer began, and did not end as it should. */
export class BrokenAnswerError extends Error {
  constructor(cause: unknown) {
    super("terminated", { cause });
    this.name = "BrokenAnswerError";
  }
}

/**
 * Sends something to a URL and reads the answer. Redirects are answers like others; what is beyond `longestAnswerBytes` of an
 * answer is not read, and its connection is closed.
 *
 * @throws BrokenAnswerError when the answer broke off; else what undici says of connections.
 */
export async function exchange(
  method: "POST" | "PUT" | "PATCH",
  url: string,
  headers: Record<string, string>,
  body: Uint8Array | string,
  signal: AbortSignal,
): Promise<WholeAnswer> {
  const { origin, pathname, search } = new URL(url);
  const pool = await openConnections();
  const answer = await pool.request({ origin, path: pathname + search, method, headers, body, signal });
  try {
    return { statusCode: answer.statusCode, headers: answer.headers, text: await textOf(answer.body) };
  } catch (error) {
    throw new BrokenAnswerError(error);
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > longestAnswerBytes) break;
  }
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, longestAnswerBytes));
}

/** undici is loaded when it is first needed: a thread that speaks to an older server never does. */
function openConnections(): Promise<Dispatcher> {
  connections ??= open();
  return connections;
}

async function open(): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent } = await import("undici");
  const options = {
    keepAliveTimeout: idleTimeoutMs,
    keepAliveMaxTimeout: longestIdleMs,
    // The sender's own limit spans the whole exchange.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  return heedsProxyVariables() ? new EnvHttpProxyAgent(options) : new Agent(options);
}

/** Node's own conditions (`NODE_USE_ENV_PROXY=1`, `--use-env-proxy`). */
export function heedsProxyVariables(): boolean {
  const { env, execArgv } = process;
  const flags = [...execArgv, ...(env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return env["NODE_USE_ENV_PROXY"] === "1" || flags.includes("--use-env-proxy");
}
