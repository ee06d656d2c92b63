/** The rules of this package as one mask of texts. */
import type { MaskPattern, MaskRule, MaskSpec } from "./mask-rules.ts";
import { patterns } from "./patterns.ts";
import type { ValueMask } from "./mask-tree.ts";

/** Shorter texts hold nothing that a pattern finds. */
const shortestText = 6;
/** Keys that are known to hold nothing: spans have the same ones again and again. */
const mostKnownKeys = 4_096;

const hiddenByKey = "[masked]";

/** What the serialiser writes where it has cut a text. What the cut left of a secret is no pattern's any more. */
const cutMarker = /\[truncated: \d+ of \d+ characters kept\]$/;
/** So much before a cut goes, and the rest of the word there up to so much. */
const cutShare = 64;
const longestCutWord = 8_192;

const escapedCharacter = /\\+u([0-9a-f]{4})/gi;

export class RuleMask implements ValueMask {
  readonly #hides: ((text: string) => string)[];
  readonly #hiddenKeys: ReadonlySet<string>;
  readonly #hiddenInText: RegExp | undefined;
  readonly #innocentKeys = new Set<string>();

  constructor(rules: readonly MaskRule[]) {
    const named = rules.flatMap((rule) => (typeof rule === "string" ? [] : rule.keys));
    this.#hiddenKeys = new Set(named.map(plainKey));
    this.#hiddenInText = this.#hiddenKeys.size === 0 ? undefined : keyInText([...this.#hiddenKeys]);
    const rows = Object.entries(patterns).filter(([name]) => rules.includes(name as MaskPattern));
    this.#hides = rows.map(
      ([, { hint, hide }]) =>
        (text) =>
          hint.test(text) ? hide(text) : text,
    );
  }

  text(given: string): string {
    if (given.length < shortestText) return given;
    const masked = this.#hide(withoutCutEnd(given));
    if (!masked.includes("\\u")) return masked;
    // JSON that is not whole, say: there a sign of a secret may be an escape.
    const plain = masked.replaceAll(escapedCharacter, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );
    const plainMasked = this.#hide(plain);
    return plainMasked === plain ? masked : plainMasked;
  }

  /** Only integers of thirteen digits and more may be a card. */
  number(number: number): number | string {
    if (!Number.isInteger(number) || number < 1e12) return number;
    const text = String(number);
    const masked = this.text(text);
    return masked === text ? number : masked;
  }

  key(key: string): string {
    if (this.#innocentKeys.has(key)) return key;
    const masked = this.text(key);
    if (masked === key) {
      if (this.#innocentKeys.size >= mostKnownKeys) this.#innocentKeys.clear();
      this.#innocentKeys.add(key);
    }
    return masked;
  }

  under(key: string): string | undefined {
    if (this.#hiddenKeys.size === 0) return undefined;
    const isHidden =
      this.#hiddenKeys.has(plainKey(key)) || this.#hiddenKeys.has(plainKey(key.slice(key.lastIndexOf(".") + 1)));
    return isHidden ? hiddenByKey : undefined;
  }

  /** Base64 of audio and images: it says nothing to a pattern, and a change would break it. */
  passes(text: string): boolean {
    return text.startsWith("data:") && /^data:[\w/.+;=-]{0,120};base64,[A-Za-z0-9+/=]*$/.test(text);
  }

  #hide(text: string): string {
    let masked = text;
    for (const hide of this.#hides) masked = hide(masked);
    return this.#hiddenInText === undefined || !/[:=]/.test(masked)
      ? masked
      : masked.replace(this.#hiddenInText, `$1${hiddenByKey}`);
  }
}

/** `apiKey`, `api_key` and `API-Key` are one. */
function plainKey(key: string): string {
  return key.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}

/** `password=…`, `"password": "…"` in a text that is no JSON as a whole, with whatever number of backslashes. */
function keyInText(keys: readonly string[]): RegExp {
  const names = keys.map((key) => Array.from(key).join("[_. -]?")).join("|");
  const value = [
    String.raw`"(?:[^"\\]|\\[\s\S])*(?:"|$)`,
    String.raw`\\+"[\s\S]*?(?:\\+"(?=\s*[,}\]])|$)`,
    String.raw`'[^']*(?:'|$)`,
    String.raw`(?:(?:bearer|basic|token|digest)\s+)?[^\s,;&}\]"'\\]+`,
  ].join("|");
  return new RegExp(String.raw`((?<![\p{L}\p{N}])(?:${names})\\*["']?\s*[:=]\s*)(?!\[masked\])(?:${value})`, "giu");
}

function withoutCutEnd(text: string): string {
  const cut = text.endsWith("kept]") ? cutMarker.exec(text) : null;
  if (cut === null) return text;
  let end = Math.max(0, cut.index - cutShare);
  const least = Math.max(0, end - longestCutWord);
  while (end > least && !/\s/.test(text.charAt(end - 1))) end--;
  return text.slice(0, end) + cut[0];
}

/** The mask of a thread that ends spans; a function of the user's has none there (src/options.ts). */
export function callerMask(spec: MaskSpec | undefined): RuleMask | undefined {
  return spec === undefined || typeof spec === "string" ? undefined : new RuleMask(spec);
}
