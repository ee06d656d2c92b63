/** Spans whose resource does not know all of itself yet, as with detectors that ask the host or the cloud. */
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";

/** As many as OpenTelemetry's own queue holds by default. With more, the next ones go with what is known. */
const mostHeld = 2_048;

/** Holds such spans, in memory, until their resource has settled; it is a matter of the program's first moments. */
export class UnsettledSpans {
  readonly #handOver: (span: ReadableSpan) => void;
  readonly #held = new Map<ReadableSpan, Promise<void>>();

  constructor(handOver: (span: ReadableSpan) => void) {
    this.#handOver = handOver;
  }

  /** Returns whether the span is held, and will be handed over from here. */
  hold(span: ReadableSpan): boolean {
    const { resource } = span;
    if (resource.asyncAttributesPending !== true || resource.waitForAsyncAttributes === undefined) return false;
    if (this.#held.size >= mostHeld) return false;
    const release = (): void => this.#release(span);
    this.#held.set(span, resource.waitForAsyncAttributes().then(release, release));
    return true;
  }

  /** Hands all of them over: those whose resource settles in time with all that it knows, the others with what it does. */
  async settle(limitMs: number): Promise<void> {
    if (this.#held.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([Promise.all(this.#held.values()), limit]);
    clearTimeout(timer);
    for (const span of this.#held.keys()) this.#release(span);
  }

  #release(span: ReadableSpan): void {
    if (this.#held.delete(span)) this.#handOver(span);
  }
}
