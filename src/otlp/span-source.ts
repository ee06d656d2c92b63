import type { OtlpResourceSpans, OtlpScopeSpans, OtlpSpan } from "./otlp-shape.ts";

/** A span of a request with what stands around it. */
export interface SourceSpan {
  /** Every part has the type that its shape says, or is not there; times are decimal texts. */
  span: OtlpSpan;
  /** The same object for all spans that share it. */
  resource: OtlpResourceSpans["resource"];
  scope: OtlpScopeSpans["scope"];
  /** Of 32 bits, of all that the client sent of this span: two versions of a span differ in it. */
  checksum: number;
}

/** Why an entry is no span. */
export interface NoSpan {
  fault: string;
  spanId?: string;
}

/** The spans of a request, each made when it is asked for: a large request never is objects as a whole. */
export interface SpanSource {
  readonly count: number;
  /** Never throws. */
  at(index: number): SourceSpan | NoSpan;
}
