/**
 * `observe` and `observed` of the package: for code that has no buffer at hand, as a class whose decorators run before
 * anything is made. They ask at each call: the buffer of the active span, or else the buffer of the process. That is the
 * first one that was made and is not shut down; one a process is the rule, and nobody has to register it. With none the
 * function runs untraced.
 */
import { activeOwner } from "./context.ts";
import {
  type ObservedDecorator,
  type ObservedFunction,
  type ObserveOptions,
  observedWith,
  observeWith,
} from "./observe.ts";
import { Tracer } from "./tracer.ts";

const living = new Set<Tracer>();

export function offerAsDefault(tracer: Tracer): void {
  living.add(tracer);
}

export function withdrawAsDefault(tracer: Tracer): void {
  living.delete(tracer);
}

/**
 * The function with a span around each call, in the buffer of the active span, or else the first one that was made and is not
 * shut down. See `SpanBuffer.observe`, which always uses its own.
 *
 * @throws TypeError when it is no function, or an option is unknown or not allowed.
 */
export function observe<Fn extends ObservedFunction>(fn: Fn, options?: ObserveOptions): Fn {
  return observeWith(defaultTracer, fn, options);
}

/**
 * `@observed()`: a span around each call of the method, in the buffer that `observe` would use.
 *
 * @throws TypeError when an option is unknown or not allowed, or it is used on anything but a method.
 */
export function observed(options?: ObserveOptions): ObservedDecorator {
  return observedWith(defaultTracer, options);
}

function defaultTracer(): Tracer | undefined {
  const active = activeOwner();
  if (active instanceof Tracer) return active;
  const [first] = living;
  return first;
}
