import type { SpanPayload } from "./buffer/span-payload.ts";
import { loadMask } from "./mask/load-mask.ts";
import { maskFailed, type MaskSpec } from "./mask/mask-rules.ts";
import { maskStored } from "./mask/mask-stored.ts";
import type { ValueMask } from "./mask/mask-tree.ts";
import type { DeadLetterCommand, DeadLetterSummary } from "./workers/messages.ts";

/** A dead letter with its span. */
export interface DeadLetterDetail extends DeadLetterSummary {
  /** The span as it was stored; undefined when what was stored is no span. */
  span: SpanPayload | undefined;
}

export interface DeadLetterList {
  /** The newest first. */
  letters: DeadLetterSummary[];
  /** Give it as `before` to get the next ones; undefined: these were the last. */
  next: number | undefined;
}

/** Which letters: their ids, or all of them. */
export type DeadLetterSelection = readonly number[] | "all";

const defaultLimit = 100;
const maxLimit = 1_000;

/**
 * The spans that the server will never take, with its words. All of it asks the pump's thread; each promise rejects with
 * an `Error` when that does not answer or its disk fails, and with a `TypeError` when an argument is not allowed.
 */
export class DeadLetterBox {
  readonly #ask: (command: DeadLetterCommand) => Promise<unknown>;
  readonly #mask: MaskSpec | undefined;

  /** @param mask what is hidden of what is shown: the journal has the span as it was, unless it is masked too. */
  constructor(ask: (command: DeadLetterCommand) => Promise<unknown>, mask?: MaskSpec) {
    this.#ask = ask;
    this.#mask = mask;
  }

  /** At most `limit` (1 … 1,000, default 100) letters, the newest first, beginning below the id `before`. */
  async list(options: { limit?: number; before?: number } = {}): Promise<DeadLetterList> {
    const { limit = defaultLimit, before } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
      throw new TypeError(`deadLetters.list: limit ${String(limit)} is not allowed: 1 … ${maxLimit}`);
    }
    if (before !== undefined) checkIds([before], "list: before");
    const stored = (await this.#ask({ name: "list", limit, before })) as DeadLetterSummary[];
    const mask = await this.#loadedMask();
    const letters = mask === undefined ? stored : stored.map((letter) => maskSummary(letter, mask));
    return { letters, next: letters.length === limit ? letters.at(-1)?.id : undefined };
  }

  /** One letter with its span; undefined when there is none of this id. */
  async get(id: number): Promise<DeadLetterDetail | undefined> {
    checkIds([id], "get");
    const letter = (await this.#ask({ name: "get", id })) as DeadLetterDetail | undefined;
    const mask = await this.#loadedMask();
    if (letter === undefined || mask === undefined) return letter;
    return { ...maskSummary(letter, mask), span: letter.span && maskSpan(letter.span, mask) };
  }

  /** Puts them back among the pending spans, to be sent again. Returns how many there were. */
  async retry(ids: DeadLetterSelection): Promise<number> {
    checkSelection(ids, "retry");
    return (await this.#ask({ name: "retry", ids })) as number;
  }

  async #loadedMask(): Promise<ValueMask | undefined> {
    return this.#mask === undefined ? undefined : await loadMask(this.#mask).catch(() => hidingAll);
  }

  /** Removes them for good. Returns how many there were. */
  async remove(ids: DeadLetterSelection): Promise<number> {
    checkSelection(ids, "remove");
    return (await this.#ask({ name: "remove", ids })) as number;
  }
}

/** Where there is no journal to have any. */
export const noDeadLetters: DeadLetterBox = new DeadLetterBox(async ({ name }) => {
  if (name === "get") return undefined;
  return name === "list" ? [] : 0;
});

function maskSummary(letter: DeadLetterSummary, mask: ValueMask): DeadLetterSummary {
  return { ...letter, name: mask.text(letter.name, ["name"]), reason: mask.text(letter.reason, ["reason"]) };
}

function maskSpan(span: SpanPayload, mask: ValueMask): SpanPayload {
  return JSON.parse(maskStored(JSON.stringify(span), mask)) as SpanPayload;
}

/** In the place of a mask that cannot be had. */
const hidingAll: ValueMask = {
  text: () => maskFailed,
  number: (number) => number,
  key: (key) => key,
  under: () => undefined,
  passes: () => false,
};

function checkSelection(ids: DeadLetterSelection, call: string): void {
  if (ids === "all") return;
  if (!Array.isArray(ids)) throw new TypeError(`deadLetters.${call}: a list of ids, or "all", is allowed`);
  checkIds(ids, call);
}

function checkIds(ids: readonly number[], call: string): void {
  const wrong = ids.find((id) => !Number.isSafeInteger(id) || id < 1);
  if (wrong !== undefined) throw new TypeError(`deadLetters.${call} ${wrong} is not allowed: ids are 1, 2, 3 …`);
}
