import type { ConstantFields } from "../buffer/constant-fields.ts";
import type { SpanPayload } from "../buffer/span-payload.ts";
import type { SpanSink } from "./tracer.ts";

/**
 * Says whether a span goes anywhere. Called with every finished span of the sample, on the caller's thread, so it must be
 * cheap; and it must not change the span. Only `false` excludes it.
 */
export type ShouldExportSpan = (span: Readonly<SpanPayload>) => boolean;

/** A sink that also counts what a filter has excluded. */
export interface FilteredSink extends SpanSink {
  filterOut(): false;
}

/** Asks the user's function before a span goes on. A function that fails excludes nothing. */
export class FilteringSink implements SpanSink {
  readonly #sink: SpanSink;
  readonly #count: FilteredSink;
  readonly #shouldExport: ShouldExportSpan;
  readonly #onFailure: (message: string) => void;
  #hasFailed = false;

  /** @param onFailure called once. */
  constructor(
    sink: SpanSink,
    count: FilteredSink,
    shouldExport: ShouldExportSpan,
    onFailure: (message: string) => void,
  ) {
    this.#sink = sink;
    this.#count = count;
    this.#shouldExport = shouldExport;
    this.#onFailure = onFailure;
  }

  offer(payload: SpanPayload, constants: ConstantFields | undefined): boolean {
    return this.#isExcluded(payload, constants) ? this.#count.filterOut() : this.#sink.offer(payload, constants);
  }

  sampleOut(): boolean {
    return this.#sink.sampleOut();
  }

  get maxSpanBytes(): number {
    return this.#sink.maxSpanBytes;
  }

  #isExcluded(payload: SpanPayload, constants: ConstantFields | undefined): boolean {
    try {
      // With what it shares with others: of OpenTelemetry's spans that is resource and scope.
      const answer: unknown = this.#shouldExport({ ...payload, ...constants?.fields });
      if (typeof answer === "boolean") return !answer;
      // A promise is not waited for, and must not become an unhandled rejection.
      if (answer instanceof Promise) answer.catch(() => undefined);
      this.#fail(`returned ${answer instanceof Promise ? "a promise" : typeof answer} instead of true or false`);
    } catch (error) {
      // Its message may hold a value of the span.
      this.#fail(`threw ${error instanceof Error ? error.name : typeof error}`);
    }
    return false;
  }

  #fail(what: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#onFailure(`shouldExportSpan ${what}: such spans are kept`);
  }
}
