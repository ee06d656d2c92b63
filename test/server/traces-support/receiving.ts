/** The trace routes before a sink that does what a test says, and requests for them. */
import { Hono } from "hono";
import type { SpanPayload } from "../../../src/buffer/span-payload.ts";
import type { CommittingSink } from "../../../src/committing-sink.ts";
import type { OtlpKeyValue, OtlpRequest, OtlpSpan } from "../../../src/otlp/otlp-shape.ts";
import type { Metrics, Project, Refusal } from "../../../src/server/context.ts";
import { resolveSidecarOptions, type ResolvedSidecarOptions } from "../../../src/server/options.ts";
import { addTraceRoutes } from "../../../src/server/traces/routes.ts";
import { encodeOtlpRequest } from "../../otlp/encode-request.ts";

export const publicKey = "pk-lf-stand-in";
export const secretKey = "sk-lf-stand-in";
export const authorization: string = `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`;

export const paths = ["/v1/traces", "/api/public/otel/v1/traces"] as const;

/** Commits when it is told to, or at once. */
export class FakeSink implements CommittingSink {
  readonly offered: SpanPayload[] = [];
  sequence = 0;
  trouble: string | undefined;
  /** Further spans find no room. */
  room: number = Number.POSITIVE_INFINITY;
  /** How often somebody waited. */
  waits = 0;
  #committed = 0;
  readonly #isHeld: boolean;
  #waiting: { sequence: number; done: (isCommitted: boolean) => void }[] = [];

  /** @param isHeld nothing is committed before `commit` is called. */
  constructor(isHeld = false) {
    this.#isHeld = isHeld;
  }

  offer(payload: SpanPayload): boolean {
    if (this.room-- <= 0) return false;
    this.offered.push(structuredClone(payload));
    this.sequence++;
    return true;
  }

  whenCommitted(sequence: number, limitMs: number): Promise<boolean> {
    this.waits++;
    if (!this.#isHeld || this.#committed >= sequence) return Promise.resolve(true);
    if (limitMs === 0) return Promise.resolve(false);
    return new Promise((done) => {
      this.#waiting.push({ sequence, done });
      setTimeout(() => done(false), limitMs);
    });
  }

  /** Everything that was offered; `isRefused`: the disk had no room, as with the policy `drop-newest`. */
  commit({ isRefused = false }: { isRefused?: boolean } = {}): void {
    this.#committed = this.sequence;
    for (const { sequence, done } of this.#waiting) if (sequence <= this.#committed) done(!isRefused);
    this.#waiting = this.#waiting.filter(({ sequence }) => sequence > this.#committed);
  }

  get waiting(): number {
    return this.#waiting.length;
  }
}

export interface Receiving {
  app: Hono;
  /** `accepted 2`, `rejected 1: no endTimeUnixNano` … */
  counted: string[];
  said: string[];
}

export function receiving(spans: CommittingSink, given: Partial<ResolvedSidecarOptions> = {}): Receiving {
  const counted: string[] = [];
  const said: string[] = [];
  const say = (fields: unknown, message: string): void => void said.push(`${message} ${JSON.stringify(fields)}`);
  const metrics: Metrics = {
    accepted: (_, kind, count) => void counted.push(`accepted ${kind} ${count}`),
    rejected: (_, kind, reason, count) => void counted.push(`rejected ${kind} ${count}: ${reason}`),
    repeated: (_, kind, count) => void counted.push(`repeated ${kind} ${count}`),
    unavailable: () => void counted.push("unavailable"),
  };
  const destination = { baseUrl: "http://127.0.0.1:9", publicKey, secretKey };
  const project = { name: "test", destination, spans } as Partial<Project> as Project;
  const refusal: Refusal = { status: 401, message: "Invalid credentials" };
  const app = new Hono();
  addTraceRoutes(app, {
    options: { ...resolveSidecarOptions({ buffer: { publicKey, secretKey } }, {}), ...given },
    projects: { authenticate: (header) => (header === authorization ? project : refusal), all: () => [project] },
    log: { debug: say, info: say, warn: say, error: say },
    metrics,
  });
  return { app, counted, said };
}

export interface Encoding {
  name: "protobuf" | "json";
  contentType: string;
  encode: (request: OtlpRequest) => Uint8Array<ArrayBuffer>;
}

export const encodings: readonly Encoding[] = [
  {
    name: "protobuf",
    contentType: "application/x-protobuf",
    encode: (request) => new Uint8Array(encodeOtlpRequest(request)),
  },
  {
    name: "json",
    contentType: "application/json",
    encode: (request) => new Uint8Array(Buffer.from(JSON.stringify(request))),
  },
];

export function post(
  body: Uint8Array<ArrayBuffer>,
  contentType: string,
  headers: Record<string, string> = {},
): RequestInit {
  return { method: "POST", body, headers: { authorization, "content-type": contentType, ...headers } };
}

function traceId(number: number): string {
  return `a${number.toString(16).padStart(31, "0")}`;
}

export function spanId(number: number): string {
  return `b${number.toString(16).padStart(15, "0")}`;
}

/** Sound, and no other's. */
export function otlpSpan(number: number, fields: Partial<OtlpSpan> = {}): OtlpSpan {
  return {
    traceId: traceId(1),
    spanId: spanId(number),
    name: `span ${number}`,
    kind: 1,
    startTimeUnixNano: "1793520001000000001",
    endTimeUnixNano: "1793520002400000002",
    attributes: [textAttribute("number", String(number))],
    ...fields,
  };
}

export function textAttribute(key: string, stringValue: string): OtlpKeyValue {
  return { key, value: { stringValue } };
}

export function requestOf(spans: readonly OtlpSpan[]): OtlpRequest {
  const resource = { attributes: [textAttribute("service.name", "bot")] };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "tests" }, spans: [...spans] }] }] };
}
