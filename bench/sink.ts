/**
 * A Langfuse that takes everything at once and keeps nothing, in a process of its own. It says what a server of version
 * 4.16 says, and counts the spans that came. Sends `{port}` to its parent when it listens.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { spanMarker } from "./span.ts";

const marker = Buffer.from(spanMarker);
let arrivedSpans = 0;

type Reply = (request: IncomingMessage, body: Buffer) => { status: number; contentType: string; body: string };

const json = (status: number, value: unknown): ReturnType<Reply> => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(value),
});

/** `METHOD path` to the answer. */
const routes: Readonly<Record<string, Reply>> = {
  "GET /api/public/health": () => json(200, { status: "OK", version: "4.16.0" }),
  "GET /api/public/projects": () => json(200, { data: [{ id: "bench", name: "bench" }] }),
  "GET /bench/arrived": () => json(200, { spans: arrivedSpans }),
  "POST /api/public/otel/v1/traces": (request, body) => {
    arrivedSpans += countSpans(body);
    // An empty body is an empty answer in protobuf.
    const contentType = request.headers["content-type"] ?? "application/json";
    return contentType.includes("protobuf") ? { status: 200, contentType, body: "" } : json(200, {});
  },
  "POST /api/public/ingestion": (_request, body) => {
    arrivedSpans += countSpans(body);
    const { batch } = JSON.parse(body.toString()) as { batch: { id: string }[] };
    return json(207, { successes: batch.map(({ id }) => ({ id, status: 201 })), errors: [] });
  },
};

function countSpans(body: Buffer): number {
  let count = 0;
  for (let at = body.indexOf(marker); at !== -1; at = body.indexOf(marker, at + marker.length)) count++;
  return count;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const reply = routes[`${request.method} ${path}`];
    const { status, contentType, body } =
      reply === undefined ? json(404, { message: "no such route" }) : reply(request, Buffer.concat(chunks));
    response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) }).end(body);
  });
}

process.once("disconnect", () => process.exit(0));
const server = createServer(answer);
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
