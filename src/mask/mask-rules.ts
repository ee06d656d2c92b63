/**
 * What is hidden, as the caller says it (option `mask`), and as it travels to the export threads. Two kinds: rules of
 * this package, or a function of the user's in a module of its own.
 */

/** The ready patterns; what each of them finds is in patterns.ts. */
export const maskPatternNames = ["email", "phone", "card", "iban", "token"] as const;
export type MaskPattern = (typeof maskPatternNames)[number];

/** A ready pattern, or all values under keys of these names (`apiKey` is `api_key`, `API-KEY` and `http.api_key` too). */
export type MaskRule = MaskPattern | { readonly keys: readonly string[] };

/** Rules, or the `file:` URL of a module. Can be cloned to another thread. */
export type MaskSpec = readonly MaskRule[] | string;

/** Where a value stands. */
export interface MaskContext {
  /** The last of `path`; in a list that of the list. */
  readonly key: string;
  /** From the span's field to the value: `["input", "messages", "0", "content"]`. Goes on inside JSON in a text. */
  readonly path: readonly string[];
}

/**
 * A mask of the user's: the module's default export, or its export `mask`. Gets every text of a span but ids and times,
 * and returns what is sent in its place. Whatever it throws, or returns that is no text, becomes `[mask failed]`.
 * The same value must always give the same result: what is sent again must be what was sent.
 */
export type MaskFunction = (value: string, context: MaskContext) => string;

/** In the place of a value that could not be masked. */
export const maskFailed = "[mask failed]";
