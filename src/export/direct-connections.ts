/**
 * The connections of the direct sender: one pool for the thread, kept open between requests. It goes through the same
 * proxies as the platform's `fetch`, which the SDK and the health route use: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`
 * count when Node was told to heed them. Idle connections do not keep a thread alive.
 */
import process from "node:process";
import type { Dispatcher } from "undici";

/** Less than the 5 s after which a Node server closes a silent connection, so that none is used as it closes. */
const idleTimeoutMs = 4_000;
/** Longer is not kept, whatever the server offers: balancers forget silent connections without a word. */
const longestIdleMs = 60_000;

let connections: Promise<Dispatcher> | undefined;

/** The thread's connections. undici is loaded when they are first needed: most threads send through the SDK. */
export function directConnections(): Promise<Dispatcher> {
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
function heedsProxyVariables(): boolean {
  const { env, execArgv } = process;
  const flags = [...execArgv, ...(env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return env["NODE_USE_ENV_PROXY"] === "1" || flags.includes("--use-env-proxy");
}
