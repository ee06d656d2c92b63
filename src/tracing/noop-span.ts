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

  addEvent(): this {
    return this;
  }

  recordException(): this {
    return this;
  }

  setStatus(): this {
    return this;
  }

  end(): void {}
}

export const noopSpan: BufferedSpan = new NoopSpan();
