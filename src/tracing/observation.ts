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

/** One call of an observed function: its span, until the result is there. */
export class Observation {
  readonly span: RecordingSpan;
  readonly #capture: Capture;

  constructor(span: RecordingSpan, capture: Capture) {
    this.span = span;
    this.#capture = capture;
  }

  /** The function has returned this, and it is no stream. */
  finish(result: unknown): void {
    const { span } = this;
    if (span.isEnded) return;
    const { output, transform } = this.#capture;
    try {
      if (output && result !== undefined) span.update({ output: transform === undefined ? result : transform(result) });
    } catch (error) {
      noteUncaptured(span, error);
    }
    span.end();
  }

  /** The function has returned a stream. To be called in the span's context, which the result remembers. */
  stream(): StreamObservation {
    const { output, transform, maxOutputBytes } = this.#capture;
    return new StreamObservation(this.span, output ? new StreamedOutput(maxOutputBytes, transform) : undefined);
  }
}

/** What a wrapper around a stream tells of it. Each may be called again after the end, to no effect. */
export class StreamObservation {
  /**
   * The generator's body runs in it at every step. Of the ways into a context by far the quickest, and each chunk goes by it:
   * 10 ns, `AsyncLocalStorage.run` takes 300.
   */
  readonly context: AsyncResource = new AsyncResource("langfuse-span-buffer.stream", { requireManualDestroy: true });
  readonly #span: RecordingSpan;
  readonly #output: StreamedOutput | undefined;
  #isAnswering = false;

  constructor(span: RecordingSpan, output: StreamedOutput | undefined) {
    this.#span = span;
    this.#output = output;
  }

  onChunk(chunk: unknown): void {
    try {
      const isAnswer = this.#output === undefined || this.#output.add(chunk);
      if (this.#isAnswering || !isAnswer) return;
      this.#isAnswering = true;
      this.#span.markCompletionStart();
    } catch (error) {
      noteUncaptured(this.#span, error);
    }
  }

  /** It ended, or whoever read it stopped: what came until then is the output. */
  onEnd(): void {
    if (this.#span.isEnded) return;
    this.#keepOutput();
    this.#span.end();
  }

  onError(error: unknown): void {
    if (this.#span.isEnded) return;
    this.#keepOutput();
    this.#span.fail(error);
  }

  #keepOutput(): void {
    const output = this.#output?.value();
    if (output !== undefined) this.#span.update({ output });
  }
}

/** The caller's code threw, while we asked it what to keep. */
function noteUncaptured(span: RecordingSpan, error: unknown): void {
  span.setAttribute("span_buffer.capture_error", describeError(error));
}
