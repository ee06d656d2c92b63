import {
  type ObservedDecorator,
  type ObservedFunction,
  type ObserveOptions,
  observedWith,
  observeWith,
} from "./observe.ts";
import { runActive } from "./run-active.ts";
import type { Score } from "./score.ts";
import type { BufferedSpan, StartSpanOptions } from "./span-fields.ts";
import type { SpanRecord } from "./span-record.ts";
import type { Tracer } from "./tracer.ts";

type ActiveFunction<T> = (span: BufferedSpan) => T;

/** Of `startActiveSpan`, behind the name. */
export type ActiveArguments<T> =
  | [fn: ActiveFunction<T>]
  | [options: StartSpanOptions | undefined, fn: ActiveFunction<T>];

/** What can be done with a tracer, as users call it: the same for a destination and for an attached thread. */
export class TracingCalls {
  readonly tracer: Tracer;

  constructor(tracer: Tracer) {
    this.tracer = tracer;
  }

  startSpan(name: string, options?: StartSpanOptions): BufferedSpan {
    return this.tracer.startSpan(name, options);
  }

  startActiveSpan<T>(name: string, ...rest: ActiveArguments<T>): T {
    const [options, fn] = rest.length === 1 ? [undefined, rest[0]] : rest;
    return runActive(this.tracer.startSpan(name, options), fn);
  }

  observe<Fn extends ObservedFunction>(fn: Fn, options?: ObserveOptions): Fn {
    return observeWith(() => this.tracer, fn, options);
  }

  observed(options?: ObserveOptions): ObservedDecorator {
    return observedWith(() => this.tracer, options);
  }

  enqueue(span: SpanRecord): boolean {
    return this.tracer.record(span);
  }

  score(score: Score): boolean {
    return this.tracer.score(score);
  }
}
