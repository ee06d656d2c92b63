/** An HTTP server that answers as it is told, and keeps what it was asked. One for each test, on a free port. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { gunzipSync } from "node:zlib";
import { decodeOtlpRequest } from "../../src/otlp/decode-protobuf.ts";

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** As text; an OTLP request in protobuf as the JSON it stands for. */
  body: string;
  /** The body as it came. */
  bytes: Buffer;
}

export interface ScriptedAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/**
 * - `reset`: the connection is reset before a byte of the answer.
 * - `garbage`: something that is no HTTP, then the connection's end.
 * - `silent`: nothing is answered at all.
 * - `stalled`: headers and half a body, then nothing.
 * - `broken`: headers and half a body, then a reset.
 */
export type Script = ScriptedAnswer | "reset" | "garbage" | "silent" | "stalled" | "broken";

export interface ScriptedServer extends AsyncDisposable {
  url: string;
  requests: ReceivedRequest[];
  openConnections(): number;
  /** How many there have been. */
  allConnections(): number;
  /** Ends the open ones from this side. */
  endConnections(): void;
}

/** `script` is asked for each request; `index` counts from 0. */
export async function scriptedServer(
  script: (request: ReceivedRequest, index: number) => Script,
): Promise<ScriptedServer> {
  const requests: ReceivedRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const bytes = Buffer.concat(chunks);
      const received: ReceivedRequest = {
        method: incoming.method ?? "",
        path: incoming.url ?? "",
        headers: incoming.headers,
        body: textOf(bytes, incoming.headers),
        bytes,
      };
      requests.push(received);
      play(script(received, requests.length - 1), response);
    });
  });
  server.on("connection", (socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    openConnections: () => sockets.size,
    allConnections: () => connections,
    endConnections: () => {
      for (const socket of sockets) socket.end();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function textOf(bytes: Buffer, headers: IncomingHttpHeaders): string {
  if (headers["content-type"] !== "application/x-protobuf") return bytes.toString();
  return JSON.stringify(decodeOtlpRequest(headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes));
}

function play(script: Script, response: ServerResponse): void {
  if (script === "silent") return;
  if (script === "reset") {
    response.socket?.resetAndDestroy();
    return;
  }
  if (script === "garbage") {
    response.socket?.end("this is no HTTP\r\n\r\n");
    return;
  }
  if (typeof script === "string") {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
    response.write('{"half":', () => {
      if (script === "broken") setTimeout(() => response.socket?.resetAndDestroy(), 20);
    });
    return;
  }
  response.writeHead(script.status, script.headers ?? {});
  response.end(script.body ?? "");
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): ScriptedAnswer {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(body),
  };
}

export function html(status: number, headers: Record<string, string> = {}): ScriptedAnswer {
  return { status, headers: { "content-type": "text/html", ...headers }, body: "<html><body>hello</body></html>" };
}

/** What a healthy Langfuse answers to a batch, by either transport. */
export function stored(request: ReceivedRequest): ScriptedAnswer {
  if (request.path !== "/api/public/ingestion") return json(200, {});
  const { batch } = JSON.parse(request.body) as { batch: { id: string }[] };
  return json(207, { successes: batch.map(({ id }) => ({ id, status: 201 })), errors: [] });
}

export const otlpPath = "/api/public/otel/v1/traces";
export const ingestionPath = "/api/public/ingestion";
export const healthPath = "/api/public/health";
