// A class with decorators, to be compiled by the test that uses it: neither Node nor Vitest takes them as they are.
import type { ObservedDecorator, ObserveOptions } from "../../src/index.ts";

export interface Bot {
  greet(name: string): string;
  ponder(): Promise<number>;
  count(): Generator<string>;
}

export function defineBot(observed: (options?: ObserveOptions) => ObservedDecorator): { create(): Bot } {
  class DecoratedBot implements Bot {
    readonly #greeting = "hello ";

    @observed()
    static create(): Bot {
      return new DecoratedBot();
    }

    @observed({ type: "tool" })
    greet(name: string): string {
      return this.#greeting + name;
    }

    @observed({ name: "think" })
    async ponder(): Promise<number> {
      return this.#guess();
    }

    @observed()
    *count(): Generator<string> {
      yield "one ";
      yield "two";
    }

    @observed()
    #guess(): number {
      return 42;
    }
  }
  return DecoratedBot;
}
