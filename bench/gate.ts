/**
 * One address of the sink: a Langfuse that takes everything and keeps nothing. It says what a server of version 4.16
 * says, counts the spans that came, and can be late or away. As cheap as can be: it shares the machine with whoever is
 * measured.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import { epochMs } from "./clock.ts";
import { spanMarker } from "./span.ts";

export interface GateOptions {
  /** Each answer to spans is so late. Default: 0. */
  delayMs?: number;
  /** Keep the spans' numbers, so that one that came twice counts once. Costs more. Default: false. */
  isExact?: boolean;
}

export interface Arrivals {
  /** Markers that came, those that came twice included. */
  spans: number;
  /** Different ones; only of a gate that is exact. */
  distinct: number;
  /** After each request with spans: the time (`epochMs`) and the count so far. */
  timeline: [atMs: number, spans: number][];
  /** CPU of the sink's whole process so far, of all gates, in microseconds. */
  sinkCpuMicros: number;
}

interface Reply {
  status: number;
  contentType: string;
  body: string;
}

const marker = Buffer.from(spanMarker);
const numberDigits = 8;

export class Gate {
  readonly #options: GateOptions;
  readonly #timeline: Arrivals["timeline"] = [];
  readonly #numbers = new Set<string>();
  #spans = 0;
  #server: Server | undefined;
  #port = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Takes connections, after `leave` on the same port. Returns the port. */
  async arrive(): Promise<number> {
    const server = createServer((request, response) => this.#answer(request, response));
    server.keepAliveTimeout = 60_000;
    this.#server = server;
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    return this.#port;
  }

  /** From now on connections are refused, and those that are open are cut. */
  async leave(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  arrivals(): Arrivals {
    const { user, system } = process.cpuUsage();
    return {
      spans: this.#spans,
      distinct: this.#numbers.size,
      timeline: this.#timeline,
      sinkCpuMicros: user + system,
    };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { status, contentType, body } = this.#replyTo(request, chunks);
      const send = (): void => {
        const length = Buffer.byteLength(body);
        response.writeHead(status, { "content-type": contentType, "content-length": length }).end(body);
      };
      const { delayMs = 0 } = this.#options;
      if (delayMs > 0 && request.method === "POST") setTimeout(send, delayMs);
      else send();
    });
  }

  #replyTo(request: IncomingMessage, chunks: readonly Buffer[]): Reply {
    const path = (request.url ?? "").split("?")[0] ?? "";
    switch (`${request.method} ${path}`) {
      case "POST /api/public/otel/v1/traces":
        this.#count(bodyOf(request, chunks));
        // JSON, whatever came: so does Langfuse.
        return json(200, {});
      case "POST /api/public/ingestion": {
        const body = bodyOf(request, chunks);
        this.#count(body);
        const { batch } = JSON.parse(body.toString()) as { batch: { id: string }[] };
        return json(207, { successes: batch.map(({ id }) => ({ id, status: 201 })), errors: [] });
      }
      case "GET /api/public/health":
        return json(200, { status: "OK", version: "4.16.0" });
      case "GET /api/public/projects":
        return json(200, { data: [{ id: "bench", name: "bench" }] });
      case "GET /bench/count":
        return json(200, { spans: this.#spans });
      case "GET /bench/arrivals":
        return json(200, this.arrivals());
      default:
        return json(404, { message: "no such route" });
    }
  }

  #count(body: Buffer): void {
    const isExact = this.#options.isExact === true;
    for (let at = body.indexOf(marker); at !== -1; at = body.indexOf(marker, at + marker.length)) {
      this.#spans++;
      const numberAt = at + marker.length;
      if (isExact) this.#numbers.add(body.toString("latin1", numberAt, numberAt + numberDigits));
    }
    this.#timeline.push([epochMs(), this.#spans]);
  }
}

function bodyOf(request: IncomingMessage, chunks: readonly Buffer[]): Buffer {
  const only = chunks[0];
  const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  return request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
}

function json(status: number, value: unknown): Reply {
  return { status, contentType: "application/json", body: JSON.stringify(value) };
}
