/** From what the option `mask` says to a mask, in whatever thread. */
import { FunctionMask } from "./function-mask.ts";
import type { MaskFunction, MaskSpec } from "./mask-rules.ts";
import type { ValueMask } from "./mask-tree.ts";
import { RuleMask } from "./rule-mask.ts";

const masks = new Map<string, Promise<ValueMask>>();
let attempts = 0;

/**
 * Loaded once for a thread; a module that could not be loaded is tried again by the next call.
 *
 * @throws Error that says what is wrong with the module, without its words: they may hold anything.
 */
export function loadMask(spec: MaskSpec): Promise<ValueMask> {
  const key = JSON.stringify(spec);
  const known = masks.get(key);
  if (known !== undefined) return known;
  const loading = typeof spec === "string" ? functionMask(spec) : Promise.resolve(new RuleMask(spec));
  masks.set(key, loading);
  loading.catch(() => masks.delete(key));
  return loading;
}

async function functionMask(moduleUrl: string): Promise<ValueMask> {
  const url = new URL(moduleUrl);
  // Node remembers a module that failed: only under another name it is loaded again.
  if (attempts++ > 0) url.searchParams.set("attempt", String(attempts));
  const loaded = await imported(url.href);
  const mask = loaded.mask ?? loaded.default;
  if (typeof mask !== "function") throw new Error("it exports no function, neither as default nor as mask");
  return new FunctionMask(mask as MaskFunction);
}

async function imported(href: string): Promise<{ mask?: unknown; default?: unknown }> {
  let failure: unknown;
  try {
    return (await import(href)) as { mask?: unknown; default?: unknown };
  } catch (error) {
    failure = error;
  }
  // Without the error itself, which must reach nobody.
  const { name, code } = (failure ?? {}) as { name?: unknown; code?: unknown };
  throw new Error(`it cannot be loaded (${[name, code].filter((part) => typeof part === "string").join(" ")})`);
}
