/** The answers of OTLP/HTTP: in the request's encoding, as https://opentelemetry.io/docs/specs/otlp/#otlphttp-response has them. */
import { encodePartialSuccess, encodeStatus, encodeSuccess } from "../../otlp/encode-response.ts";
import type { OtlpEncoding } from "../../otlp/encoding.ts";
import type { Rejections } from "./rejections.ts";

/** Clients repeat a request a handful of times within ten seconds. */
const retryAfterSeconds = 2;

export class Answers {
  readonly #encoding: OtlpEncoding;
  readonly #contentType: string;

  /** @param as how the request is encoded; undefined: in no way that is known, so the answer is JSON. */
  constructor(as: { encoding: OtlpEncoding; contentType: string } | undefined) {
    this.#encoding = as?.encoding ?? "json";
    this.#contentType = as?.contentType ?? "application/json";
  }

  stored(rejections: Rejections): Response {
    const { count, message } = rejections;
    return this.#answer(
      200,
      count === 0 ? encodeSuccess(this.#encoding) : encodePartialSuccess(this.#encoding, count, message),
    );
  }

  failed(status: number, message: string): Response {
    return this.#answer(status, encodeStatus(this.#encoding, message));
  }

  /** Clients drop what is answered with any other 5xx than 502, 503 and 504. */
  unavailable(message: string): Response {
    return this.#answer(503, encodeStatus(this.#encoding, message), { "retry-after": String(retryAfterSeconds) });
  }

  #answer(status: number, body: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}): Response {
    return new Response(body, { status, headers: { "content-type": this.#contentType, ...headers } });
  }
}
