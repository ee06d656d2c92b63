/** What processor and exporter have in common: a buffer, spans on their way into it, and the end. */
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import type { SpanBufferOptions } from "../options.ts";
import type { SpanBuffer } from "../span-buffer.ts";
import { HandOver } from "./hand-over.ts";
import { type Component, SelfMetrics } from "./self-metrics.ts";
import { bufferOf, type DropInSettings, resolveSettings } from "./settings.ts";
import { UnsettledSpans } from "./unsettled-spans.ts";

/** At its end a drop-in waits no longer for a buffer that goes on anyway; it is as long as a buffer's own shutdown takes. */
const longestLastFlushMs = 5_000;

/** Of the time for an end, what a resource that has not settled may take. */
const longestSettlingMs = 1_000;

export class DropIn {
  readonly buffer: SpanBuffer;
  readonly #isOurs: boolean;
  readonly #flushTimeoutMs: number;
  readonly #handOver: HandOver;
  readonly #unsettled = new UnsettledSpans((span) => void this.#handOver.take(span));
  readonly #metrics: SelfMetrics;
  #shutdown: Promise<void> | undefined;

  /** @param component the class whose part this is, as the self-metrics name it. @throws TypeError, see settings.ts. */
  constructor(
    component: Component,
    given: SpanBuffer | SpanBufferOptions | undefined,
    settings: DropInSettings | undefined,
  ) {
    const { flushTimeoutMs, meterProvider } = resolveSettings(settings);
    const { buffer, isOurs } = bufferOf(given);
    this.buffer = buffer;
    this.#isOurs = isOurs;
    this.#flushTimeoutMs = flushTimeoutMs;
    this.#handOver = new HandOver(buffer);
    this.#metrics = new SelfMetrics(component, buffer, meterProvider);
  }

  get isShutDown(): boolean {
    return this.#shutdown !== undefined;
  }

  /** `false`: the span is lost, and counted. Never throws. */
  take(span: ReadableSpan): boolean {
    this.#metrics.spanTaken();
    return this.#isHeld(span) || this.#handOver.take(span);
  }

  /** What cannot be asked is handed over, and found out there. */
  #isHeld(span: ReadableSpan): boolean {
    try {
      return this.#unsettled.hold(span);
    } catch {
      return false;
    }
  }

  /** @throws Error when the time is over first. Nothing is lost by that. */
  async forceFlush(): Promise<void> {
    if (this.#shutdown !== undefined) return await this.#shutdown;
    const deadlineMs = performance.now() + this.#flushTimeoutMs;
    await this.#unsettled.settle(Math.min(longestSettlingMs, this.#flushTimeoutMs));
    const timeoutMs = Math.max(1, deadlineMs - performance.now());
    const { timedOut, pending } = await this.buffer.flush({ timeoutMs });
    if (!timedOut) return;
    throw new Error(
      `langfuse-span-buffer: Langfuse has not taken everything within ${this.#flushTimeoutMs} ms: ${pending} spans are still waiting, and will be delivered as soon as it does`,
    );
  }

  /** Never rejects. A second call gets the promise of the first. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#end();
    return this.#shutdown;
  }

  async #end(): Promise<void> {
    await this.#unsettled.settle(longestSettlingMs);
    if (this.#isOurs) await this.buffer.shutdown();
    else await this.buffer.flush({ timeoutMs: Math.min(longestLastFlushMs, this.#flushTimeoutMs) });
    this.#metrics.end();
  }
}
