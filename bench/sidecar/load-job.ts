/** What the runner and the load generator's process say to each other. */
import type { Encoding } from "./otlp-request.ts";

export interface LoadJob {
  url: string;
  encoding: Encoding;
  spansPerRequest: number;
  connections: number;
  /** No request is begun after it; those under way are waited for. */
  seconds: number;
  authorization: string;
}

/** Latencies in milliseconds, from before a request is written until its answer is read. */
export interface Latencies {
  p50: number;
  p99: number;
  p999: number;
  most: number;
}

export interface LoadResult {
  /** From the first request to the end of the time, or to the last answer where it came before. */
  seconds: number;
  /** Answers with a 2xx within `seconds`: the rate. */
  timelyAnswers: number;
  /** With those that came afterwards, to requests begun before. */
  answers: number;
  /** Other answers, and requests without one, by status or cause. */
  failures: Record<string, number>;
  /** Undefined when nothing was answered. */
  latencies: Latencies | undefined;
  meanBodyBytes: number;
  /** CPU of the generator's process, of that a core could have given, 0 … 1. */
  generatorLoad: number;
}

export type LoadReply = { type: "done"; result: LoadResult } | { type: "failed"; reason: string };
