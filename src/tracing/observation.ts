import { AsyncResource } from "node:async_hooks";
import { describeError } from "../buffer/safe-value.ts";
import type { RecordingSpan } from "./recording-span.ts";
import { StreamedOutput } from "./streamed-output.ts";

export interface Capture {
  output: boolean;
  transform: ((value: unknown) => unknown) | undefined;
  /** Of the joined text of a stream. */
  maxOutputBytes: number;
}

/** One call of an observed function: its span, until the result is there or the stream has ended. */
export class Observation {
  readonly span: RecordingSpan;
  readonly #capture: Capture;
  #output: StreamedOutput | undefined;
  #isAnswering = false;

  constructor(span: RecordingSpan, capture: Capture) {
    this.span = span;
    this.#capture = capture;
  }

  /** The function has returned this, and it is no stream. */
  finish(result: unknown): void {
    const { output, transform } = this.#capture;
    if (output && result !== undefined && !this.span.isEnded) {
      this.#guard(() => this.span.update({ output: transform === undefined ? result : transform(result) }));
    }
    this.#end();
  }

  /** The function has returned a stream. To be called in the span's context: the result remembers that. */
  stream(): StreamObservation {
    const { output, transform, maxOutputBytes } = this.#capture;
    if (output) this.#output = new StreamedOutput(maxOutputBytes, transform);
    // Of the ways into a context by far the quickest (10 ns; `AsyncLocalStorage.run` takes 300), and it goes by each chunk.
    return {
      context: new AsyncResource("langfuse-span-buffer.stream", { requireManualDestroy: true }),
      onChunk: (chunk) => this.#onChunk(chunk),
      onEnd: () => this.#endStream(),
      onError: (error) => this.fail(error),
    };
  }

  fail(error: unknown): void {
    this.#keepOutput();
    this.span.fail(error);
  }

  #onChunk(chunk: unknown): void {
    try {
      const isAnswer = this.#output === undefined || this.#output.add(chunk);
      if (this.#isAnswering || !isAnswer) return;
      this.#isAnswering = true;
      this.span.markCompletionStart();
    } catch (error) {
      this.#cannotCapture(error);
    }
  }

  #endStream(): void {
    this.#keepOutput();
    this.#end();
  }

  /** Also of a stream that was left or broke: what came is what was heard. */
  #keepOutput(): void {
    const output = this.#output?.value();
    if (output !== undefined && !this.span.isEnded) this.span.update({ output });
    this.#output = undefined;
  }

  #end(): void {
    if (!this.span.isEnded) this.span.end();
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#cannotCapture(error);
    }
  }

  #cannotCapture(error: unknown): void {
    this.span.setAttribute("span_buffer.capture_error", describeError(error));
  }
}

/** What a wrapper around a stream tells of it; each may be called more than once. */
export interface StreamObservation {
  /** The generator's body runs in it at every step. */
  readonly context: AsyncResource;
  onChunk(chunk: unknown): void;
  /** It ended, or whoever read it stopped. */
  onEnd(): void;
  onError(error: unknown): void;
}
