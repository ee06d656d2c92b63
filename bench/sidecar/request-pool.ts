/**
 * Request bodies made before anything is timed, each sent again and again with other ids: whoever recognises spans that
 * come twice must not find any.
 */
import { makeContents } from "../content.ts";
import type { SpanContent } from "../span.ts";
import { encodeRequest, type Encoding } from "./otlp-request.ts";

/** Enough that no body stays in a cache next to the core. */
const pooledBytes = 4_000_000;
const fewestBodies = 4;
const contentBytes = 1_600;
/** Of one trace in a request: a turn or two of a conversation. */
const spansPerTrace = 10;
const seed = 1;

/** Half of a span's id, and a quarter of a trace's, is the number of the request; the rest tells the pooled ones apart. */
const numberBytes = 4;

interface PooledBody {
  bytes: Buffer;
  /** Where the number of the request stands in each id. */
  numberPlaces: readonly number[];
}

export class RequestPool {
  readonly spansPerRequest: number;
  readonly #encoding: Encoding;
  readonly #bodies: readonly PooledBody[];
  readonly #number: Buffer;
  #count = 0;

  constructor(encoding: Encoding, spansPerRequest: number) {
    this.spansPerRequest = spansPerRequest;
    this.#encoding = encoding;
    const bodies = Math.max(fewestBodies, Math.round(pooledBytes / (contentBytes * spansPerRequest)));
    const spans = makeContents("llm", bodies * spansPerRequest, seed);
    this.#bodies = Array.from({ length: bodies }, (_, index) =>
      poolBody(spans.slice(index * spansPerRequest, (index + 1) * spansPerRequest), encoding),
    );
    this.#number = Buffer.alloc(encoding === "json" ? 2 * numberBytes : numberBytes);
  }

  /** Valid until the next call with the same body; whoever sends it later copies it. */
  next(): Buffer {
    const { bytes, numberPlaces } = this.#bodies[this.#count % this.#bodies.length] as PooledBody;
    this.#count++;
    if (this.#encoding === "json")
      this.#number.write(this.#count.toString(16).padStart(2 * numberBytes, "0"), "latin1");
    else this.#number.writeUInt32BE(this.#count);
    for (const place of numberPlaces) bytes.set(this.#number, place);
    return bytes;
  }

  get meanBodyBytes(): number {
    return this.#bodies.reduce((sum, { bytes }) => sum + bytes.length, 0) / this.#bodies.length;
  }
}

function poolBody(contents: readonly SpanContent[], encoding: Encoding): PooledBody {
  const spans = contents.map((span, index) => ({
    ...span,
    traceId: (contents[index - (index % spansPerTrace)] as SpanContent).traceId,
  }));
  const bytes = encodeRequest[encoding](spans);
  const numberPlaces: number[] = [];
  let from = 0;
  for (const { traceId, spanId } of spans) {
    for (const id of [traceId, spanId]) {
      const written = encoding === "json" ? Buffer.from(id, "latin1") : Buffer.from(id, "hex");
      const at = bytes.indexOf(written, from);
      from = at + written.length;
      numberPlaces.push(from - (encoding === "json" ? 2 * numberBytes : numberBytes));
    }
  }
  return { bytes, numberPlaces };
}
