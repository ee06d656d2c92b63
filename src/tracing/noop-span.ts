import type { BufferedSpan } from "./span-fields.ts";

/** What `startSpan` gives when tracing is off: one object for all, which does nothing. Its ids are W3C's invalid ones. */
class NoopSpan implements BufferedSpan {
  readonly traceId = "00000000000000000000000000000000";
  readonly spanId = "0000000000000000";

  startSpan(): BufferedSpan {
    return this;
  }

  setAttribute(): this {
    return this;
  }

  setAttributes(): this {
    return this;
  }

  update(): this {
    return this;
  }

  updateTrace(): this {
    return this;
  }

  addEvent(): this {
    return this;
  }

  addLink(): this {
    return this;
  }

  recordException(): this {
    return this;
  }

  setStatus(): this {
    return this;
  }

  score(): this {
    return this;
  }

  inject<Carrier extends object>(carrier: Carrier): Carrier {
    return carrier;
  }

  end(): void {}
}

export const noopSpan: BufferedSpan = new NoopSpan();
