/** The ways of a span to Langfuse: each route and who makes its requests, with a buffer, a server and an account. */
import { expect } from "vitest";
import type { SpanBuffer, SpanBufferOptions } from "../../src/index.ts";
import type { Fault, RecordedRequest, StandIn } from "../../src/stand-in/index.ts";
import { bufferFor, missingFromAccount, standIn } from "../support/buffers.ts";

export interface Way {
  name: string;
  transport: "otlp" | "ingestion";
  options: SpanBufferOptions;
}

/** Ingestion is always the SDK's, whatever the option `sender` says. */
export const ways: readonly Way[] = [
  { name: "otlp by the SDK", transport: "otlp", options: { transport: "otlp", sender: "sdk" } },
  { name: "otlp direct", transport: "otlp", options: { transport: "otlp", sender: "direct", compression: "gzip" } },
  { name: "ingestion", transport: "ingestion", options: { transport: "ingestion", sender: "sdk" } },
];

export interface Run {
  server: StandIn;
  buffer: SpanBuffer;
  /** Ids whose `end()` has returned, but for the poison ones. */
  ids: string[];
  poisonIds: string[];
  /** All that was said: notices and `lastError`, in the order of time. */
  said: string[];
  /** States that `stats()` showed. */
  states: Set<string>;
  end(count: number, input?: string): void;
  endPoison(count: number): void;
  /** Ends spans and looks at the buffer until the condition holds. */
  loadUntil(condition: () => boolean): Promise<void>;
  /** Hurries until nothing is pending. */
  drain(): Promise<void>;
  /** The requests with spans. */
  requests(): RecordedRequest[];
}

export async function runOf(way: Way, options: SpanBufferOptions = {}): Promise<Run> {
  const server = await standIn({ generation: way.transport });
  const said: string[] = [];
  const log = (text: string): void => void said.push(text);
  const buffer = bufferFor(server.url, {
    ...way.options,
    batchSize: 20,
    flushInterval: 60,
    exportTimeoutMs: 1_000,
    logger: { warn: log, info: log },
    ...options,
  });
  const run: Run = {
    server,
    buffer,
    ids: [],
    poisonIds: [],
    said,
    states: new Set(),
    end(count, input = "") {
      for (let index = 0; index < count; index++) {
        const span = buffer.startSpan("span", { input: { index: run.ids.length, input } });
        run.ids.push(span.spanId);
        span.end();
      }
    },
    endPoison(count) {
      for (let index = 0; index < count; index++) {
        const span = buffer.startSpan("poison", { attributes: { "stand-in.poison": true } });
        run.poisonIds.push(span.spanId);
        span.end();
      }
    },
    async loadUntil(condition) {
      while (!condition()) {
        run.end(4);
        await new Promise((resolve) => setTimeout(resolve, 5));
        look();
      }
    },
    async drain() {
      while (buffer.stats().pending > 0) {
        await buffer.flush({ timeoutMs: 150 });
        look();
      }
    },
    requests: () => server.requests().filter(({ method }) => method === "POST"),
  };
  function look(): void {
    const { lastError, state } = buffer.stats();
    run.states.add(state);
    if (lastError !== undefined && said.at(-1) !== lastError) said.push(lastError);
  }
  return run;
}

/** Nothing lost; twice only what was stored by a request whose answer did not come through, or refused its trace; P2. */
export function expectAccount(run: Run, deadLettered: number = run.poisonIds.length): void {
  const { server, buffer, ids, poisonIds } = run;
  const stats = buffer.stats();
  const accepted = ids.length + poisonIds.length;
  expect(stats).toMatchObject({ accepted, acknowledged: accepted - deadLettered, pending: 0, deadLettered });
  expect(missingFromAccount(stats)).toBe(0);
  const arrivals = server.ids();
  const mayComeAgain = server.mayComeAgain();
  const expected = deadLettered === poisonIds.length ? ids : ids.filter((id) => arrivals[id] !== undefined);
  expect(new Set(Object.keys(arrivals))).toEqual(new Set(expected));
  expect(Object.keys(arrivals).length).toBe(accepted - deadLettered);
  const tooOften = Object.entries(arrivals).filter(([id, count]) => count > 1 + (mayComeAgain[id] ?? 0));
  expect(tooOften).toEqual([]);
}

export interface AnswerCase {
  name: string;
  fault: Fault;
  /** One of the things that are said meanwhile. */
  says: RegExp;
  state?: "backing-off" | "held";
  /** Only by this route. */
  transport?: "otlp" | "ingestion";
  /** Spans must have been stored by requests whose answer did not come through. */
  isTwice?: boolean;
}
