/** One request to Langfuse on a caller's behalf: its body streams there, the answer's head comes back. */
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import process from "node:process";
import { type Readable, Transform, type TransformCallback } from "node:stream";

export interface UpstreamRequest {
  method: string;
  url: URL;
  headers: Record<string, string | string[]>;
  /** Undefined: none. */
  body: Readable | undefined;
  maxBodyBytes: number;
  /** Longest silence until the head of the answer, and later within its body, in milliseconds. */
  timeoutMs: number;
  /** The caller went away. */
  signal: AbortSignal;
}

export type UpstreamOutcome =
  | { kind: "answer"; answer: IncomingMessage }
  | { kind: "too-large" }
  | { kind: "timeout" }
  | { kind: "gone" }
  | { kind: "failure"; code: string | undefined; message: string };

class TooLargeError extends Error {}
class TimeoutError extends Error {}

// Node's agents go through a proxy when they are told its environment; NODE_USE_ENV_PROXY says so for `fetch` too.
const proxy = process.env["NODE_USE_ENV_PROXY"] === "1" ? { proxyEnv: process.env } : {};
/** Connections that stay open: for what can be asked again when the other side closed one at that very moment. */
const kept = {
  "http:": new Agent({ keepAlive: true, ...proxy }),
  "https:": new TlsAgent({ keepAlive: true, ...proxy }),
} as const;
const fresh = { "http:": new Agent(proxy), "https:": new TlsAgent(proxy) } as const;

/** Never rejects. */
export async function askUpstream(request: UpstreamRequest): Promise<UpstreamOutcome> {
  const isRepeatable = request.body === undefined && (request.method === "GET" || request.method === "HEAD");
  if (!isRepeatable) return (await askOnce(request, false)).outcome;
  const { outcome, isStale } = await askOnce(request, true);
  return isStale ? (await askOnce(request, false)).outcome : outcome;
}

/** `isStale`: it failed on a connection that had been used before, without a byte of an answer. */
function askOnce(
  { method, url, headers, body, maxBodyBytes, timeoutMs, signal }: UpstreamRequest,
  isKept: boolean,
): Promise<{ outcome: UpstreamOutcome; isStale: boolean }> {
  return new Promise((resolve) => {
    const isTls = url.protocol === "https:";
    const agent = (isKept ? kept : fresh)[isTls ? "https:" : "http:"];
    const settle = (outcome: UpstreamOutcome, isStale = false): void => resolve({ outcome, isStale });
    let outgoing: ClientRequest;
    try {
      outgoing = (isTls ? httpsRequest : httpRequest)(url, { method, headers, agent, signal });
    } catch (error) {
      // A header that Node's parser lets in and its writer does not let out.
      settle({ kind: "failure", code: undefined, message: (error as Error).message });
      return;
    }
    outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new TimeoutError()));
    outgoing.on("response", (answer) => settle({ kind: "answer", answer }));
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      if (signal.aborted) settle({ kind: "gone" });
      else if (error instanceof TooLargeError) settle({ kind: "too-large" });
      else if (error instanceof TimeoutError) settle({ kind: "timeout" });
      else settle({ kind: "failure", code: error.code, message: error.message }, outgoing.reusedSocket);
    });
    if (body === undefined) {
      outgoing.end();
      return;
    }
    const limited = new ByteLimit(maxBodyBytes);
    // Either side may end the other; how it ended is told above.
    body.once("error", (error) => outgoing.destroy(error));
    limited.once("error", (error) => outgoing.destroy(error));
    body.pipe(limited).pipe(outgoing);
  });
}

/** Passes bytes on, and fails with the first beyond the limit. */
class ByteLimit extends Transform {
  #leftBytes: number;

  constructor(maxBytes: number) {
    super();
    this.#leftBytes = maxBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#leftBytes -= chunk.length;
    if (this.#leftBytes < 0) done(new TooLargeError());
    else done(null, chunk);
  }
}
