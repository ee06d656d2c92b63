/**
 * The connections of an export thread: kept open between requests, with Node's own client. The platform's `fetch`, and
 * the package it is made of, take 15 MB more of memory in a thread, and `fetch` four times the CPU. They go through the
 * same proxies: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` count when Node was told to heed them. Idle connections keep
 * no thread alive.
 */
import http, {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import https from "node:https";
import process from "node:process";

/**
 * Less than the 5 s after which a Node server closes a silent connection, so that none is used as it closes. What a
 * server announces (`Keep-Alive: timeout=…`) shortens it by itself.
 */
const idleTimeoutMs = 4_000;

/** Langfuse's answers are short. */
const longestAnswerBytes = 1_000_000;

/** One answer, or the first part of a very long one. */
export interface WholeAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Exchange {
  method: "GET" | "POST";
  headers: Record<string, string>;
  body?: Uint8Array | string;
  signal: AbortSignal;
}

/** An answer began, and did not end as it should. */
export class BrokenAnswerError extends Error {
  constructor(cause: unknown) {
    super("the answer broke off", { cause });
    this.name = "BrokenAnswerError";
  }
}

const agentOptions = {
  keepAlive: true,
  timeout: idleTimeoutMs,
  // Known from Node 24.5 and 22.21 on, as is the switch itself.
  ...(heedsProxyVariables() ? { proxyEnv: process.env } : {}),
};
const plain = new http.Agent(agentOptions);
const secure = new https.Agent(agentOptions);

/**
 * Makes one request and reads the answer. Nothing is sent twice here, and redirects are answers like others; what is
 * beyond `longestAnswerBytes` of an answer is not read, and its connection is closed.
 *
 * @throws BrokenAnswerError when the answer broke off; else what Node says of connections.
 */
export function exchange(url: string, { method, headers, body, signal }: Exchange): Promise<WholeAnswer> {
  return new Promise((resolve, reject) => {
    const isSecure = url.startsWith("https:");
    const options: RequestOptions = { method, headers: withLength(headers, body), signal };
    options.agent = isSecure ? secure : plain;
    const request = (isSecure ? https : http).request(url, options);
    let hasAnswer = false;
    // Until the end of the request's life: an error that nobody hears would end the thread.
    request.on("error", (error) => reject(hasAnswer ? new BrokenAnswerError(error) : error));
    request.on("response", (response) => {
      hasAnswer = true;
      readAnswer(request, response, resolve, reject);
    });
    request.end(body);
  });
}

function readAnswer(
  request: ClientRequest,
  response: IncomingMessage,
  resolve: (answer: WholeAnswer) => void,
  reject: (error: Error) => void,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  const finish = (): void => {
    const text = new TextDecoder().decode(Buffer.concat(chunks).subarray(0, longestAnswerBytes));
    resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
  };
  response.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length <= longestAnswerBytes) return;
    finish();
    request.destroy();
  });
  response.on("end", finish);
  response.on("error", (error) => reject(new BrokenAnswerError(error)));
}

/** Without its length a body would go in chunks. */
function withLength(headers: Record<string, string>, body: Exchange["body"]): Record<string, string> {
  return body === undefined ? headers : { ...headers, "content-length": String(Buffer.byteLength(body)) };
}

/** Node's own conditions for `fetch` (`NODE_USE_ENV_PROXY=1`, `--use-env-proxy`). */
function heedsProxyVariables(): boolean {
  const { env, execArgv } = process;
  const flags = [...execArgv, ...(env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return env["NODE_USE_ENV_PROXY"] === "1" || flags.includes("--use-env-proxy");
}
