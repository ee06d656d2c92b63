/**
 * Streams that an observed function returns, with every chunk looked at on its way to the reader. Nothing is read ahead: a
 * chunk is asked for when the reader asks, and stopping early reaches the stream.
 */
import { errorMonitor } from "node:events";
import { ReadableStream } from "node:stream/web";
import type { StreamObservation } from "./observation.ts";

type Wrap = (value: object, observe: () => StreamObservation) => unknown;

interface StreamKind {
  is: (value: object) => boolean;
  wrap: Wrap;
}

/** The first that fits. */
const kinds: readonly StreamKind[] = [
  { is: (value) => value instanceof ReadableStream && !value.locked, wrap: observedReadable },
  { is: isNodeStream, wrap: watchedNodeStream },
  { is: (value) => has(value, Symbol.asyncIterator) && has(value, "next"), wrap: observedAsyncIterator },
  { is: (value) => has(value, Symbol.asyncIterator) && !isFixed(value), wrap: observedAsyncIterable },
  // Of what can only be iterated, generators: a list, a map or a set is a result like any other.
  { is: (value) => has(value, Symbol.iterator) && has(value, "next"), wrap: observedIterator },
];

/** The stream to be returned in this one's place; undefined: it is no stream. May throw what the value's getters throw. */
export function observedStream(value: unknown, observe: () => StreamObservation): { stream: unknown } | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const kind = kinds.find(({ is }) => is(value));
  return kind === undefined ? undefined : { stream: kind.wrap(value, observe) };
}

/** A proxy may not show another iterator than this object's own. */
function isFixed(value: object): boolean {
  return Object.getOwnPropertyDescriptor(value, Symbol.asyncIterator)?.configurable === false;
}

function has(value: object, key: PropertyKey): boolean {
  return typeof (value as Record<PropertyKey, unknown>)[key] === "function";
}

type SyncIterator = Iterator<unknown, unknown, unknown>;
type SyncResult = IteratorResult<unknown, unknown>;

/** Generators have `map`, `take` and more from here. */
const iteratorPrototype: object = Object.getPrototypeOf(Object.getPrototypeOf([].values())) as object;

function observedIterator(value: object, observe: () => StreamObservation): SyncIterator {
  const inner = value as SyncIterator;
  const observation = observe();
  const step = (method: (argument: unknown) => SyncResult, argument: unknown): SyncResult => {
    try {
      const result = observation.context.runInAsyncScope(method, undefined, argument);
      if (result.done === true) observation.onEnd();
      else observation.onChunk(result.value);
      return result;
    } catch (error) {
      observation.onError(error);
      throw error;
    }
  };
  const next = (argument: unknown): SyncResult => inner.next(argument);
  const close = (argument: unknown): SyncResult => inner.return?.(argument) ?? ended(argument);
  const raise = (error: unknown): SyncResult => inner.throw?.(error) ?? rethrow(error);
  return Object.assign(Object.create(iteratorPrototype) as object, {
    next: (argument?: unknown) => step(next, argument),
    return: (argument?: unknown) => step(close, argument),
    throw: (error?: unknown) => step(raise, error),
  });
}

type AsyncResult = Promise<IteratorResult<unknown, unknown>>;

/** By hand and not as a generator of our own: that would cost each chunk two more turns of the microtask queue. */
class ObservedAsyncIterator implements AsyncGenerator<unknown, unknown, unknown> {
  readonly #inner: AsyncIterator<unknown, unknown, unknown>;
  readonly #observation: StreamObservation;

  constructor(inner: AsyncIterator<unknown, unknown, unknown>, observation: StreamObservation) {
    this.#inner = inner;
    this.#observation = observation;
  }

  next(argument?: unknown): AsyncResult {
    return this.#step(this.#next, argument);
  }

  return(argument?: unknown): AsyncResult {
    return this.#step(this.#return, argument);
  }

  throw(error: unknown): AsyncResult {
    return this.#step(this.#throw, error);
  }

  readonly #next = (argument: unknown): AsyncResult => this.#inner.next(argument);
  readonly #return = async (value: unknown) => (await this.#inner.return?.(value)) ?? ended(value);
  readonly #throw = async (error: unknown) => (await this.#inner.throw?.(error)) ?? rethrow(error);

  readonly #onResult = (result: IteratorResult<unknown, unknown>): void => {
    if (result.done === true) this.#observation.onEnd();
    else this.#observation.onChunk(result.value);
  };
  readonly #onError = (error: unknown): void => this.#observation.onError(error);

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** The reader gets the stream's own promise; we look at it first, and beside it. */
  #step(method: (argument: unknown) => AsyncResult, argument: unknown): AsyncResult {
    try {
      const result = this.#observation.context.runInAsyncScope(method, undefined, argument);
      // It may be no promise of the language.
      const promise = result instanceof Promise ? result : Promise.resolve(result);
      void promise.then(this.#onResult, this.#onError);
      return promise;
    } catch (error) {
      this.#onError(error);
      throw error;
    }
  }
}

function observedAsyncIterator(value: object, observe: () => StreamObservation): ObservedAsyncIterator {
  return new ObservedAsyncIterator(value as AsyncIterator<unknown, unknown, unknown>, observe());
}

/**
 * An object that is more than its chunks (the `Stream` of OpenAI's SDK, which can be aborted and split): it stays what it
 * is, but for the iterator that it gives first.
 */
function observedAsyncIterable(value: object, observe: () => StreamObservation): object {
  const observation = observe();
  let isIterated = false;
  const iterate = (): unknown => {
    const inner = observation.context.runInAsyncScope(() => (value as AsyncIterable<unknown>)[Symbol.asyncIterator]());
    if (isIterated) return inner;
    isIterated = true;
    return new ObservedAsyncIterator(inner, observation);
  };
  return new Proxy(value, {
    get(target, key) {
      if (key === Symbol.asyncIterator) return iterate;
      const property: unknown = Reflect.get(target, key, target);
      // A method of its class may need the object itself, for its private fields.
      return typeof property === "function" && !Object.hasOwn(target, key) ? property.bind(target) : property;
    },
  });
}

function observedReadable(value: object, observe: () => StreamObservation): ReadableStream<unknown> {
  const reader = (value as ReadableStream<unknown>).getReader();
  const observation = observe();
  return new ReadableStream<unknown>(
    {
      async pull(controller) {
        try {
          const result = await observation.context.runInAsyncScope(() => reader.read());
          if (result.done) {
            observation.onEnd();
            controller.close();
          } else {
            observation.onChunk(result.value);
            controller.enqueue(result.value);
          }
        } catch (error) {
          observation.onError(error);
          controller.error(error);
        }
      },
      async cancel(reason) {
        observation.onEnd();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

interface NodeStream {
  once(event: string | symbol, listener: (error?: unknown) => void): unknown;
  pipe: unknown;
}

function isNodeStream(value: object): boolean {
  return has(value, "pipe") && has(value, "once");
}

/** There are many ways to read one of Node's streams, and listening for its data would set it flowing: only its end is seen. */
function watchedNodeStream(value: object, observe: () => StreamObservation): object {
  const stream = value as NodeStream;
  const observation = observe();
  stream.once(errorMonitor, (error) => observation.onError(error));
  stream.once("close", () => observation.onEnd());
  return stream;
}

function ended(value: unknown): IteratorResult<unknown, unknown> {
  return { done: true, value };
}

function rethrow(error: unknown): never {
  throw error;
}
