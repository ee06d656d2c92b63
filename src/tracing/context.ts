/**
 * The active span: what `startSpan` without a parent hangs its span under. It follows the program through `await`,
 * timers, event emitters and streams, by one `AsyncLocalStorage` for the whole package.
 *
 * Spans of several projects may be active at once. Each buffer sees its own latest one, so that no span gets a parent
 * that its project does not have.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { RecordingSpan, type SpanOwner } from "./recording-span.ts";
import type { BufferedSpan, SpanReference } from "./span-fields.ts";

/**
 * What is active from here on. No frame refers to the one around it: a timer that starts itself again from within its
 * own context would make a chain without end.
 */
interface Frame {
  readonly span: RecordingSpan;
  /** The latest active span of each other buffer. */
  readonly others: readonly RecordingSpan[];
}

/** Another tracer's contexts, joined to ours; see `setContextBridge`. */
export interface ContextBridge {
  /** The span that is active there, be it one of ours. Called for every span that is started without a parent. */
  activeParent(): SpanReference | undefined;
  /** Runs `fn` with this span of ours active there too, and returns or throws what `fn` does. */
  run<T>(span: BufferedSpan, fn: () => T): T;
}

const storage = new AsyncLocalStorage<Frame>();
let bridge: ContextBridge | undefined;

/** Has there ever been a context? Until then a span that is started need not ask for one. */
export let isContextUsed = false;

/** Joins the contexts of another tracer, for all buffers; `undefined` parts them again. */
export function setContextBridge(joined: ContextBridge | undefined): void {
  bridge = joined;
  isContextUsed = true;
}

/** The innermost active span, of whichever buffer; `undefined`: none is. */
export function activeSpan(): BufferedSpan | undefined {
  return storage.getStore()?.span;
}

/**
 * Runs `fn` with this span active, and returns or throws what `fn` does. The span is not ended. With one that tracing
 * being off has made, nothing changes for `fn`.
 */
export function withSpan<T>(span: BufferedSpan, fn: () => T): T {
  return span instanceof RecordingSpan ? runWith(span, fn) : fn();
}

export function runWith<T>(span: RecordingSpan, fn: () => T): T {
  isContextUsed = true;
  const outer = storage.getStore();
  const others = outer === undefined ? [] : [outer.span, ...outer.others].filter(({ owner }) => owner !== span.owner);
  const frame = { span, others };
  return bridge === undefined ? storage.run(frame, fn) : bridge.run(span, () => storage.run(frame, fn));
}

/** This buffer's active span, and the parent that the joined tracer would give, if that is another and lies further in. */
export function activeFor(owner: SpanOwner): { own: RecordingSpan | undefined; foreign: SpanReference | undefined } {
  const frame = storage.getStore();
  const own = frame?.span.owner === owner ? frame.span : frame?.others.find((span) => span.owner === owner);
  const there = bridge?.activeParent();
  // Our innermost span is active there as well: that is no other.
  return { own, foreign: there?.spanId === frame?.span.spanId ? undefined : there };
}

/** The buffer of the innermost active span. */
export function activeOwner(): SpanOwner | undefined {
  return storage.getStore()?.span.owner;
}
