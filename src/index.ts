import "./node-version.ts";

export type { ObservationLevel, ObservationType } from "./buffer/span-payload.ts";
export { type AttachedBuffer, type AttachedFlushResult, type AttachedStats, attach } from "./attach.ts";
export type { DeadLetterBox, DeadLetterDetail, DeadLetterList, DeadLetterSelection } from "./dead-letters.ts";
export type { SpanDestination } from "./destination.ts";
export type { SpanBufferHandle } from "./handle.ts";
export type { MaskContext, MaskFunction, MaskPattern, MaskRule } from "./mask/mask-rules.ts";
export type { DestinationOptions, Logger, SamplingOptions, SpanBufferOptions } from "./options.ts";
export { SpanBuffer } from "./span-buffer.ts";
export type { FlushResult, SpanBufferStats } from "./stats.ts";
export type { TimeInput } from "./tracing/clock.ts";
export { activeSpan, withSpan } from "./tracing/context.ts";
export { observe, observed } from "./tracing/default-tracer.ts";
export type { ObservedDecorator, ObservedFunction, ObserveOptions } from "./tracing/observe.ts";
export { extract, type InjectOptions, type RemoteParent } from "./tracing/propagation.ts";
export type { Score, SpanScore } from "./tracing/score.ts";
export type { ShouldExportSpan } from "./tracing/filtering-sink.ts";
export type { SamplingRule } from "./tracing/sampling-rules.ts";
export type {
  BufferedSpan,
  ObservationFields,
  SpanLink,
  SpanReference,
  SpanStatus,
  StartSpanOptions,
  TraceOptions,
  UpdateFields,
} from "./tracing/span-fields.ts";
export type { SpanRecord, UnixNano } from "./tracing/span-record.ts";
export type { AuthCheckCause, AuthCheckResult, DeadLetterSummary } from "./workers/messages.ts";
