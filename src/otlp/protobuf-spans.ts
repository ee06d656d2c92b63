import { crc32 } from "node:zlib";
import { Decoder, type SpanGroup, type SpanPlace } from "./decode-protobuf.ts";
import { TooManyParts } from "./span-limits.ts";
import type { NoSpan, SourceSpan, SpanSource } from "./span-source.ts";

/** The spans of an `ExportTraceServiceRequest` in protobuf. */
export class ProtobufSpans implements SpanSource {
  readonly #bytes: Buffer;
  readonly #decoder: Decoder;
  readonly #places: readonly SpanPlace[];
  #group: SpanGroup | undefined;
  #groupChecksum = 0;

  /** @throws when the bytes are no such message; what is wrong within one span is said of that span alone. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#decoder = new Decoder(bytes);
    this.#places = this.#decoder.places();
  }

  get count(): number {
    return this.#places.length;
  }

  at(index: number): SourceSpan | NoSpan {
    const place = this.#places[index] as SpanPlace;
    const { group, start, end } = place;
    try {
      const span = this.#decoder.span(place);
      const { resource, scope } = group;
      return { span, resource, scope, checksum: crc32(this.#bytes.subarray(start, end), this.#checksumOf(group)) };
    } catch (error) {
      return { fault: error instanceof TooManyParts ? error.message : "it is no span in protobuf" };
    }
  }

  /** Spans that share a group mostly follow each other. */
  #checksumOf(group: SpanGroup): number {
    if (group !== this.#group) {
      this.#group = group;
      this.#groupChecksum = 0;
      for (let index = 0; index < group.places.length; index += 2) {
        const part = this.#bytes.subarray(group.places[index], group.places[index + 1]);
        this.#groupChecksum = crc32(part, this.#groupChecksum);
      }
    }
    return this.#groupChecksum;
  }
}
