/** The switches: what the stand-in does instead of answering as it should. */
import type { IncomingMessage, ServerResponse } from "node:http";

/** How far a fault reaches; without these it lasts until it is taken back, on the two routes for spans. */
interface FaultScope {
  /** So many requests, then healthy again. */
  times?: number;
  /** Path suffixes. */
  routes?: readonly string[];
}

/** What one request meets. */
type RequestFault =
  | { kind: "slow"; delayMs: number }
  | { kind: "hang" }
  | { kind: "reset"; when?: "before" | "after" }
  | { kind: "unauthorized" }
  | { kind: "forbidden" }
  /** `date`: what its clock says, instead of the right time. */
  | { kind: "rate-limited"; retryAfter?: string; date?: string }
  | { kind: "error"; status?: number; body?: string }
  | { kind: "partial"; status?: number }
  | { kind: "html"; status?: number }
  | { kind: "empty" }
  | { kind: "stalled-body"; when?: "before" | "after" }
  | { kind: "not-found" }
  /** As a proxy that takes no body above this. */
  | { kind: "too-large"; limitBytes: number };

export type Fault = FaultScope &
  (
    | RequestFault
    | { kind: "down" }
    /** One for each request, in turn; null: a right answer. Then healthy again. */
    | { kind: "sequence"; faults: readonly (RequestFault | null)[] }
  );

const spanRoutes: readonly string[] = ["/api/public/otel/v1/traces", "/api/public/ingestion"];

const page = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please sign in.</body></html>";

/** What is left for the right answer to do, once the fault has done its part. */
export interface FaultOutcome {
  /** The fault has answered, or never will. */
  isAnswered: boolean;
  /** Every second event fails with this status. */
  partialStatus?: number;
  /** The answer comes so much later; the request is handled at once. */
  delayMs?: number;
  /** Once the request has been stored: the connection is cut, or the answer stops in its middle. */
  afterStored?: "cut" | "stall";
  /** Of the body. */
  limitBytes?: number;
}

const untouched: FaultOutcome = { isAnswered: false };

/** Holds the current fault and applies it to requests. */
export class Faults {
  #fault: Fault | undefined;
  #left = 0;
  /** In a sequence. */
  #position = 0;

  set(fault: Fault | undefined): void {
    this.#fault = fault;
    this.#position = 0;
    this.#left = fault?.times ?? Number.POSITIVE_INFINITY;
  }

  get isDown(): boolean {
    return this.#fault?.kind === "down";
  }

  /** To be called once a request, before it is handled. */
  async apply(request: IncomingMessage, response: ServerResponse): Promise<FaultOutcome> {
    const fault = this.#fault;
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (fault === undefined || !(fault.routes ?? spanRoutes).some((route) => path.endsWith(route))) return untouched;
    if (this.#left <= 0) return untouched;
    this.#left--;
    if (fault.kind === "down") return { isAnswered: true };
    const next = fault.kind === "sequence" ? fault.faults[this.#position++] : fault;
    return next === undefined || next === null ? untouched : await act(next, request, response);
  }
}

async function act(fault: RequestFault, request: IncomingMessage, response: ServerResponse): Promise<FaultOutcome> {
  switch (fault.kind) {
    case "hang":
      return { isAnswered: true };
    case "slow":
      return { isAnswered: false, delayMs: fault.delayMs };
    case "reset":
      if (fault.when === "after") return { isAnswered: false, afterStored: "cut" };
      request.socket.resetAndDestroy();
      return { isAnswered: true };
    case "partial":
      return { isAnswered: false, partialStatus: fault.status ?? 500 };
    case "too-large":
      return { isAnswered: false, limitBytes: fault.limitBytes };
    case "stalled-body":
      if (fault.when === "after") return { isAnswered: false, afterStored: "stall" };
      response.writeHead(200, { "content-type": "application/json", "content-length": 100 });
      response.write('{"successes":[');
      return { isAnswered: true };
    default:
      await readBody(request);
      answer(fault, response);
      return { isAnswered: true };
  }
}

type AnsweringFault = Exclude<
  RequestFault,
  { kind: "hang" | "slow" | "reset" | "partial" | "stalled-body" | "too-large" }
>;

function answer(fault: AnsweringFault, response: ServerResponse): void {
  switch (fault.kind) {
    case "unauthorized":
      return json(response, 401, { message: "Invalid credentials. Confirm that you've configured the correct host." });
    case "forbidden":
      return json(response, 403, { message: "Ingestion suspended: usage threshold exceeded" });
    case "rate-limited":
      if (fault.retryAfter !== undefined) response.setHeader("retry-after", fault.retryAfter);
      if (fault.date !== undefined) response.setHeader("date", fault.date);
      return json(response, 429, { message: "Rate limit exceeded", code: "rate_limited", details: {} });
    case "error":
      response.writeHead(fault.status ?? 500, { "content-type": "text/plain" });
      response.end(fault.body ?? "Internal Server Error");
      return;
    case "html":
      response.writeHead(fault.status ?? 200, { "content-type": "text/html; charset=utf-8" });
      response.end(page);
      return;
    case "empty":
      response.writeHead(200, { "content-type": "application/json" });
      response.end();
      return;
    case "not-found":
      response.writeHead(404, { "content-type": "text/html; charset=utf-8" });
      response.end(page);
      return;
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** An answer that comes before the request is read would reach some clients as a reset. */
async function readBody(request: IncomingMessage): Promise<void> {
  request.resume();
  if (!request.readableEnded) await new Promise((resolve) => request.once("close", resolve).once("end", resolve));
}
