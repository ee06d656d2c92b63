/**
 * The payloads of one task, and the requests they make. Whatever is asked for first finds out which spans Langfuse
 * could never store (`reasons`); they are in no request, where they would cost their neighbours.
 */
import type { SpanPayload } from "../buffer/span-payload.ts";
import { type EnvelopedSpan, envelopedSpan, type OtlpRequest, otlpRequest } from "./otlp.ts";
import { ProtobufRequest } from "./protobuf-request.ts";
import { scannedSpan } from "./scanned-span.ts";
import { SpanScanner } from "./span-scanner.ts";
import { type Validated, validatePayload } from "./validate.ts";
import { WireWriter } from "./wire-writer.ts";

// One of each for the thread: they are done with before anything else gets a turn.
const scanner = new SpanScanner();
const writer = new WireWriter();

/** An escape of a lone surrogate, or text that looks like one: only the longer way can tell. */
const surrogateEscape = Buffer.from("\\ud");

export class StoredBatch {
  readonly count: number;
  /** For each payload why it can never be stored; `undefined`: nothing is known against it. */
  readonly reasons: (string | undefined)[];
  readonly #bytes: Buffer;
  readonly #starts: number[];
  #payloads: SpanPayload[] | undefined;
  #otlp: OtlpRequest | undefined;
  #protobuf: Buffer | undefined;

  /**
   * @param bytes the payloads end to end (see span-payload.ts).
   * @param lengths of each in bytes.
   */
  constructor(bytes: Uint8Array, lengths: readonly number[]) {
    this.count = lengths.length;
    this.reasons = lengths.map(() => undefined);
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let start = 0;
    this.#starts = [0, ...lengths.map((length) => (start += length))];
  }

  /** A batch of one, which is not stored anywhere. */
  static of(payload: SpanPayload): StoredBatch {
    const bytes = Buffer.from(JSON.stringify(payload));
    return new StoredBatch(bytes, [bytes.length]);
  }

  /** Payloads against which nothing is known. */
  get validCount(): number {
    return this.reasons.filter((reason) => reason === undefined).length;
  }

  /** The valid payloads, parsed. */
  payloads(): readonly SpanPayload[] {
    this.#payloads ??= Array.from({ length: this.count }, (_, index) => this.#parsed(index)).filter(
      (payload) => payload !== undefined,
    );
    return this.#payloads;
  }

  /** The valid spans as an OTLP request in JSON's form. */
  otlpRequest(): OtlpRequest {
    if (this.#otlp === undefined) {
      const spans: EnvelopedSpan[] = [];
      this.#forEach(
        () => spans.push(scannedSpan(this.#bytes, scanner)),
        (span) => spans.push(span),
      );
      this.#otlp = otlpRequest(spans);
    }
    return this.#otlp;
  }

  /** The valid spans as the bytes of an OTLP request in protobuf. */
  protobufRequest(): Buffer {
    if (this.#protobuf === undefined) {
      const request = new ProtobufRequest(writer);
      this.#forEach(
        () => request.addScanned(this.#bytes, scanner),
        (span) => request.add(span),
      );
      this.#protobuf = request.finish();
    }
    return this.#protobuf;
  }

  /** Takes payloads out that break `build`. Returns whether there were any. */
  rejectUnbuildable(build: (payload: SpanPayload) => unknown): boolean {
    let isAnyRejected = false;
    for (let index = 0; index < this.count; index++) {
      const payload = this.#parsed(index);
      if (payload === undefined) continue;
      try {
        build(payload);
      } catch (error) {
        this.reasons[index] = unbuildable(error);
        isAnyRejected = true;
      }
    }
    if (isAnyRejected) this.#payloads = undefined;
    return isAnyRejected;
  }

  /** Each payload by the short way where it can be scanned, else by the longer one. */
  #forEach(onScanned: () => void, onSpan: (span: EnvelopedSpan) => void): void {
    scanner.begin(this.#bytes);
    const mayHoldSurrogates = this.#bytes.includes(surrogateEscape);
    for (let index = 0; index < this.count; index++) {
      if (this.reasons[index] !== undefined) continue;
      const start = this.#starts[index] as number;
      const end = this.#starts[index + 1] as number;
      const isOdd = mayHoldSurrogates && this.#bytes.subarray(start, end).includes(surrogateEscape);
      try {
        if (!isOdd && scanner.scan(start, end)) {
          onScanned();
          continue;
        }
        const payload = this.#parsed(index);
        if (payload !== undefined) onSpan(envelopedSpan(payload));
      } catch (error) {
        this.reasons[index] = unbuildable(error);
      }
    }
  }

  #parsed(index: number): SpanPayload | undefined {
    if (this.reasons[index] !== undefined) return undefined;
    const text = this.#bytes.toString("utf8", this.#starts[index], this.#starts[index + 1]);
    const { payload, reason }: Validated = validatePayload(text);
    this.reasons[index] = reason;
    return payload;
  }
}

function unbuildable(error: unknown): string {
  return `invalid span: ${error instanceof Error ? error.message : String(error)}`;
}
