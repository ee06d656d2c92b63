/** OTLP requests to a sidecar at a steady rate, whatever becomes of those before them: an open loop. */
import { Agent, request } from "node:http";
import { makeContents } from "../../bench/content.ts";
import type { SpanContent } from "../../bench/span.ts";
import { contentTypes, encodeRequest, encodings } from "../../bench/sidecar/otlp-request.ts";
import { keys } from "./scenario.ts";

const requestsPerSecond = 200;
const spansPerRequest = 10;
const contentsMade = 100;
const contentSeed = 1;
/** Short of a request's interval, so that a late timer is made up for by the next. */
const lookEveryMs = 2;
/** Longer than the sidecar waits for a commit. */
const answerLimitMs = 30_000;

const authorization = `Basic ${Buffer.from(`${keys.publicKey}:${keys.secretKey}`).toString("base64")}`;

/** A request and what became of it. */
export interface SentRequest {
  number: number;
  /** On the clock of `performance.now()`. */
  sentAtMs: number;
  /** Undefined: there was no whole answer (yet). */
  status?: number;
  /** Until the answer was read. */
  latencyMs?: number;
}

/** 200 requests a second of 10 spans each, one in protobuf, one in JSON, over kept connections; none is repeated. */
export class SidecarLoad {
  readonly requests: SentRequest[] = [];
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #contents = makeContents("llm", contentsMade, contentSeed);
  readonly #startedAtMs = performance.now();
  readonly #timer = setInterval(() => this.#sendDue(), lookEveryMs);
  readonly #underWay = new Set<Promise<unknown>>();
  #answered = 0;

  /** Begins at once. */
  constructor(sidecarUrl: string) {
    this.#url = `${sidecarUrl}/v1/traces`;
  }

  /** So many were answered 200. */
  get answered(): number {
    return this.#answered;
  }

  /** Begins no more; resolves when those under way have come to their end. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#agent.destroy();
  }

  #sendDue(): void {
    const due = ((performance.now() - this.#startedAtMs) / 1_000) * requestsPerSecond;
    while (this.requests.length < due) {
      const sending = this.#send(this.requests.length + 1);
      this.#underWay.add(sending);
      void sending.finally(() => this.#underWay.delete(sending));
    }
  }

  async #send(number: number): Promise<void> {
    const encoding = encodings[number % encodings.length] as (typeof encodings)[number];
    const body = encodeRequest[encoding](this.#spansOf(number));
    const sent: SentRequest = { number, sentAtMs: performance.now() };
    this.requests.push(sent);
    const outgoing = request(this.#url, {
      method: "POST",
      agent: this.#agent,
      timeout: answerLimitMs,
      headers: { authorization, "content-type": contentTypes[encoding], "content-length": body.length },
    });
    outgoing.on("response", (response) => {
      response.on("error", () => undefined).resume();
      response.once("end", () => {
        sent.status = response.statusCode ?? 0;
        sent.latencyMs = performance.now() - sent.sentAtMs;
        if (sent.status === 200) this.#answered++;
      });
    });
    // What it says of itself is the missing status.
    outgoing.on("error", () => undefined).on("timeout", () => outgoing.destroy());
    await new Promise<void>((resolve) => {
      outgoing.once("close", resolve);
      outgoing.end(body);
    });
  }

  #spansOf(number: number): SpanContent[] {
    const ids = spanIdsOf(number);
    const traceId = number.toString(16).padStart(32, "0");
    const first = (number * spansPerRequest) % contentsMade;
    return this.#contents
      .slice(first, first + spansPerRequest)
      .map((content, index) => ({ ...content, traceId, spanId: ids[index] as string }));
  }
}

/** Of the request with this number, which begin with 1. */
export function spanIdsOf(number: number): string[] {
  return Array.from({ length: spansPerRequest }, (_, index) =>
    (number * spansPerRequest + index).toString(16).padStart(16, "0"),
  );
}
