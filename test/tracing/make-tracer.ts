import type { ConstantFields } from "../../src/buffer/constant-fields.ts";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import type { ScoreEvent } from "../../src/tracing/score.ts";
import { Tracer, type TracerOptions } from "../../src/tracing/tracer.ts";

export interface TracerBench {
  tracer: Tracer;
  /** As they were when they ended. */
  spans: SpanPayload[];
  scores: ScoreEvent[];
  sampledOut: () => number;
  /** The one of this name; the first. */
  named: (name: string) => SpanPayload;
}

/** A tracer whose spans are kept in a list. */
export function makeTracer(options: Partial<TracerOptions> = {}): TracerBench {
  const spans: SpanPayload[] = [];
  const scores: ScoreEvent[] = [];
  let sampledOut = 0;
  const sampleOut = (): false => {
    sampledOut++;
    return false;
  };
  const sink = {
    offer(payload: SpanPayload, constants: ConstantFields | undefined): boolean {
      spans.push(structuredClone({ ...payload, ...constants?.fields }));
      return true;
    },
    maxSpanBytes: 1_000_000,
    sampleOut,
  };
  const scoreSink = {
    offer(event: ScoreEvent): boolean {
      scores.push(structuredClone(event));
      return true;
    },
    sampleOut,
  };
  const constants = { environment: undefined, release: undefined, serviceName: undefined, sampleRate: 1 };
  return {
    tracer: new Tracer({ sink, scores: scoreSink, ...constants, ...options }),
    spans,
    scores,
    sampledOut: () => sampledOut,
    named(name) {
      const span = spans.find((each) => each.name === name);
      if (span === undefined) throw new Error(`no span ${name} among ${spans.map((each) => each.name).join(", ")}`);
      return span;
    },
  };
}
