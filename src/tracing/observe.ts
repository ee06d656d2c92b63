import { type ObservationType, observationTypes } from "../buffer/span-payload.ts";
import { runWith } from "./context.ts";
import { Observation, type Capture } from "./observation.ts";
import { observedStream } from "./observed-stream.ts";
import { isThenable, settled } from "./run-active.ts";
import type { Tracer } from "./tracer.ts";

export interface ObserveOptions {
  /** Of the spans. Default: the name of the function. */
  name?: string;
  /** Langfuse's kind of observation. Default: `span`. */
  type?: ObservationType;
  /** The arguments become the input: one as it is, several as a list. Default: true. */
  captureInput?: boolean;
  /** The result becomes the output; of a stream the joined text, or else its first 100 chunks. Default: true. */
  captureOutput?: boolean;
  /** What to keep of a result, or of each chunk of a stream: of a text its parts are joined. Default: as it is. */
  transform?: (value: unknown) => unknown;
  /** The joined text of a stream is cut there, 1 … 64 Mi. Default: 1,000,000. */
  maxOutputBytes?: number;
}

/** Any function; it keeps its own type. */
export type ObservedFunction = (this: never, ...args: never[]) => unknown;

/** `@buffer.observed()`: TC39's decorator of a method. */
export type ObservedDecorator = <Method extends ObservedFunction>(
  method: Method,
  context: ClassMethodDecoratorContext,
) => Method;

const defaultMaxOutputBytes = 1_000_000;
const mostOutputBytes = 64 * 1024 * 1024;

interface Rule {
  isAllowed: (value: unknown) => boolean;
  allowed: string;
}

const rules: Readonly<Record<keyof ObserveOptions, Rule>> = {
  name: { isAllowed: (value) => typeof value === "string", allowed: "a text" },
  type: {
    isAllowed: (value) => observationTypes.some((type) => type === value),
    allowed: observationTypes.join(", "),
  },
  captureInput: { isAllowed: (value) => typeof value === "boolean", allowed: "true or false" },
  captureOutput: { isAllowed: (value) => typeof value === "boolean", allowed: "true or false" },
  transform: { isAllowed: (value) => typeof value === "function", allowed: "a function" },
  maxOutputBytes: {
    isAllowed: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= mostOutputBytes,
    allowed: `an integer, 1 … ${mostOutputBytes}`,
  },
};

/**
 * The function with a span around each call.
 *
 * @param tracerOf asked at each call; undefined: nothing is traced.
 * @throws TypeError when it is no function, or an option is unknown or not allowed.
 */
export function observeWith<Fn extends ObservedFunction>(
  tracerOf: () => Tracer | undefined,
  fn: Fn,
  options: ObserveOptions = {},
): Fn {
  checkFunction(fn);
  checkOptions(options);
  const { captureInput = true, captureOutput = true, maxOutputBytes = defaultMaxOutputBytes, transform } = options;
  const name = options.name ?? (fn.name === "" ? "anonymous" : fn.name);
  const start = options.type === undefined ? {} : { type: options.type };
  const capture: Capture = { output: captureOutput, transform, maxOutputBytes };
  const call = fn as unknown as (...args: unknown[]) => unknown;
  const observed = function (this: unknown, ...args: unknown[]): unknown {
    const tracer = tracerOf();
    if (tracer === undefined) return call.apply(this, args);
    const input = captureInput && args.length > 0 ? { input: args.length === 1 ? args[0] : args } : {};
    const observation = new Observation(tracer.startSpan(name, { ...start, ...input }), capture);
    return runWith(observation.span, () => deliver(observation, () => call.apply(this, args)));
  };
  Object.defineProperties(observed, { name: { value: fn.name }, length: { value: fn.length } });
  return observed as unknown as Fn;
}

/** @throws TypeError as `observeWith`; when the decorator is used on anything but a method. */
export function observedWith(tracerOf: () => Tracer | undefined, options: ObserveOptions = {}): ObservedDecorator {
  checkOptions(options);
  return (method, context) => {
    if ((context as ClassMethodDecoratorContext | undefined)?.kind !== "method") {
      throw new TypeError(
        "langfuse-span-buffer: observed is a decorator of methods in the form of TC39: use it on a method, " +
          "without the compiler's option experimentalDecorators; for anything else there is observe(fn)",
      );
    }
    return observeWith(tracerOf, method, { name: String(context.name), ...options });
  };
}

/** Runs in the span's context, and so does what it makes of promises and streams. */
function deliver(observation: Observation, call: () => unknown): unknown {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    observation.span.fail(error);
    throw error;
  }
  return isThenable(result)
    ? settled(observation.span, result, (value) => observedResult(observation, value))
    : observedResult(observation, result);
}

/** The result as the caller gets it; a stream's end is the observation's. */
function observedResult(observation: Observation, result: unknown): unknown {
  try {
    const observed = observedStream(result, () => observation.stream());
    if (observed !== undefined) return observed.stream;
  } catch {
    // What cannot even be looked at is no stream.
  }
  observation.finish(result);
  return result;
}

export function checkFunction(fn: unknown): void {
  if (typeof fn === "function") return;
  throw new TypeError(`langfuse-span-buffer: observe: ${fn === null ? "null" : typeof fn} is not allowed: a function`);
}

export function checkOptions(options: ObserveOptions): void {
  const problems = Object.entries(options).flatMap(([name, value]) => {
    const rule = (rules as Readonly<Record<string, Rule | undefined>>)[name];
    if (rule === undefined) return [`unknown option "${name}" (there are ${Object.keys(rules).join(", ")})`];
    return value === undefined || rule.isAllowed(value) ? [] : [`option ${name} is not allowed: ${rule.allowed}`];
  });
  if (problems.length > 0) throw new TypeError(`langfuse-span-buffer: observe: ${problems.join("; ")}`);
}
