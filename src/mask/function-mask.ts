import { type MaskFunction, maskFailed } from "./mask-rules.ts";
import type { ValueMask } from "./mask-tree.ts";

/** A function of the user's as a mask. Whatever it does, no value gets past it unmasked. */
export class FunctionMask implements ValueMask {
  /** Values that it threw over, or for which it returned no text. */
  failures = 0;
  readonly #function: MaskFunction;

  constructor(mask: MaskFunction) {
    this.#function = mask;
  }

  text(text: string, path: readonly string[]): string {
    try {
      const masked: unknown = this.#function(text, { key: keyOf(path), path: [...path] });
      if (typeof masked === "string") return masked;
      // It is not waited for, and must not become the thread's end.
      if (masked instanceof Promise) masked.catch(() => undefined);
    } catch {
      // What it threw may hold the value.
    }
    this.failures++;
    return maskFailed;
  }

  number(number: number): number {
    return number;
  }

  key(key: string): string {
    return key;
  }

  under(): undefined {
    return undefined;
  }

  passes(): boolean {
    return false;
  }
}

/** In a list that of the list. */
function keyOf(path: readonly string[]): string {
  return path.findLast((part) => !/^\d+$/.test(part)) ?? "";
}
