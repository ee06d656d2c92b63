/**
 * A look at a span's attributes without making objects of them: one pass over OTLP's list, which keeps those with a
 * wanted key. Whatever stands in the list came from a client, so nothing is taken for granted.
 */
import type { SpanPayload } from "../../buffer/span-payload.ts";

/** OTLP's `AnyValue`, or what a client takes for it. */
type Tagged = Record<string, unknown>;

export class SpanAttributes {
  readonly #wanted: ReadonlySet<string>;
  readonly #prefix: string | undefined;
  readonly #found = new Map<string, Tagged>();
  #hasPrefixed = false;

  /**
   * @param wanted keys that will be asked for.
   * @param prefix keys that begin with it are kept too.
   */
  constructor(wanted: Iterable<string>, prefix?: string) {
    this.#wanted = new Set(wanted);
    this.#prefix = prefix;
  }

  /** Of one key the last counts, as in the export. An attribute without a value is not there. */
  read(span: SpanPayload): void {
    const { attributes } = span;
    if (!Array.isArray(attributes)) return;
    for (const entry of attributes as readonly unknown[]) {
      if (typeof entry !== "object" || entry === null) continue;
      const { key, value } = entry as { key?: unknown; value?: unknown };
      if (typeof key !== "string" || typeof value !== "object" || value === null) continue;
      if (this.#wanted.has(key)) this.#found.set(key, value as Tagged);
      else if (this.#prefix !== undefined && key.startsWith(this.#prefix)) {
        this.#hasPrefixed = true;
        this.#found.set(key, value as Tagged);
      }
    }
  }

  /** To be called behind the last question: a kept value may be a megabyte. */
  forget(): void {
    this.#found.clear();
    this.#hasPrefixed = false;
  }

  get isEmpty(): boolean {
    return this.#found.size === 0;
  }

  /** Is there a key that begins with the prefix? */
  get hasPrefixed(): boolean {
    return this.#hasPrefixed;
  }

  /** Is there a value? Neither OTLP's empty one nor an empty text is. */
  has(key: string): boolean {
    const value = this.#found.get(key);
    return (
      value !== undefined && Object.values(value).some((part) => part !== undefined && part !== null && part !== "")
    );
  }

  hasAny(keys: readonly string[]): boolean {
    return keys.some((key) => this.has(key));
  }

  /** A text that is not empty. */
  text(key: string): string | undefined {
    const text = this.#found.get(key)?.["stringValue"];
    return typeof text === "string" && text !== "" ? text : undefined;
  }

  /** A text, or a number as one: some count their users. */
  id(key: string): string | undefined {
    const text = this.text(key);
    if (text !== undefined) return text;
    const number = this.number(key);
    return number === undefined ? undefined : String(number);
  }

  /** Finite. OTLP's JSON has 64-bit integers as texts. */
  number(key: string): number | undefined {
    const value = this.#found.get(key);
    return value === undefined ? undefined : (finite(value["intValue"]) ?? finite(value["doubleValue"]));
  }

  /** A text, number or boolean as itself. */
  plain(key: string): string | number | boolean | undefined {
    const flag = this.#found.get(key)?.["boolValue"];
    return typeof flag === "boolean" ? flag : (this.text(key) ?? this.number(key));
  }

  /** The texts of a list; one text may be a list in JSON or with commas. */
  texts(key: string): string[] {
    const value = this.#found.get(key);
    if (value === undefined) return [];
    const { arrayValue } = value as { arrayValue?: { values?: unknown } | null };
    const list = Array.isArray(arrayValue?.values)
      ? (arrayValue.values as unknown[]).map(textOf)
      : listIn(this.text(key));
    return list.filter((text) => typeof text === "string" && text !== "") as string[];
  }
}

function finite(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

function textOf(value: unknown): unknown {
  return typeof value === "object" && value !== null ? (value as Tagged)["stringValue"] : undefined;
}

function listIn(text: string | undefined): unknown[] {
  if (text === undefined) return [];
  if (text.trimStart().startsWith("[")) {
    try {
      const list: unknown = JSON.parse(text);
      if (Array.isArray(list)) return list;
    } catch {
      // No JSON, so the text is a tag.
    }
  }
  return text.split(",").map((part) => part.trim());
}
