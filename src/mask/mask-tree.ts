/**
 * Masks a value of JSON with all that is in it, in place: texts, long numbers, keys, and what stands as JSON in a text,
 * however deep.
 */

/** What hides. Rules of this package, or a function of the user's. */
export interface ValueMask {
  text(text: string, path: readonly string[]): string;
  number(number: number): number | string;
  key(key: string): string;
  /** What stands in the place of everything under this key; undefined: the key says nothing. */
  under(key: string): string | undefined;
  /** Texts that are left as they are. */
  passes(text: string): boolean;
}

/** JSON in a text in JSON in a text … so often; what is deeper is masked as a text. */
const mostLayers = 8;
const mostLevels = 256;

const otlpNumbers: ReadonlySet<string> = new Set(["intValue", "doubleValue"]);

/** A number that a JavaScript number does not hold keeps its digits. */
interface RawJson {
  rawJSON: string;
}
const exactJson = JSON as typeof JSON & { rawJSON(text: string): RawJson; isRawJSON(value: unknown): value is RawJson };

export class MaskWalk {
  isChanged = false;
  readonly #mask: ValueMask;
  readonly #path: string[];
  readonly #layer: number;

  constructor(mask: ValueMask, path: string[] = [], layer = 0) {
    this.#mask = mask;
    this.#path = path;
    this.#layer = layer;
  }

  value(value: unknown): unknown {
    switch (typeof value) {
      case "string":
        return this.#changed(value, this.#text(value));
      case "number":
        return this.#changed(value, this.#mask.number(value));
      case "object":
        return value === null ? null : this.#object(value);
      default:
        return value;
    }
  }

  /** The value under a key of an object, which is not changed itself. */
  property(key: string, value: unknown): unknown {
    this.#path.push(key);
    const masked = this.value(value);
    this.#path.pop();
    return masked;
  }

  /** As `property`, unless the key alone says that the value is hidden. */
  keyedProperty(key: string, value: unknown): unknown {
    const hidden = value === null ? undefined : this.#mask.under(key);
    return hidden === undefined ? this.property(key, value) : this.#changed(value, hidden);
  }

  #changed<Value>(before: Value, after: Value): Value {
    if (after !== before) this.isChanged = true;
    return after;
  }

  #object(object: object): unknown {
    if (this.#path.length > mostLevels) throw new RangeError("nested too deep to be masked");
    if (exactJson.isRawJSON(object)) return this.#exactNumber(object);
    if (Array.isArray(object)) {
      for (let index = 0; index < object.length; index++) object[index] = this.property(String(index), object[index]);
      return object;
    }
    return this.#record(object as Record<string, unknown>);
  }

  #record(record: Record<string, unknown>): Record<string, unknown> {
    const label = labelOf(record);
    let isRenamed = false;
    for (const key of Object.keys(record)) {
      const value = record[key];
      if (key === "key" && label !== undefined && label === value)
        record[key] = this.#changed(label, this.#mask.key(label));
      else if (key === "value" && label !== undefined) record[key] = this.#labelled(label, value);
      else record[key] = this.keyedProperty(key, value);
      // OTLP has no text among its numbers.
      if (otlpNumbers.has(key) && typeof record[key] === "string" && record[key] !== value) {
        record["stringValue"] = record[key];
        delete record[key];
      }
      if (this.#mask.key(key) !== key) isRenamed = true;
    }
    return isRenamed ? this.#renamed(record) : record;
  }

  /** The value in `{ key, value }`, as OTLP's attributes are, or `{ name, value }`, as headers often are. */
  #labelled(label: string, value: unknown): unknown {
    const hidden = value === null ? undefined : this.#mask.under(label);
    if (hidden === undefined) return this.property(label, value);
    this.isChanged = true;
    return typeof value === "object" ? { stringValue: hidden } : hidden;
  }

  #renamed(record: Record<string, unknown>): Record<string, unknown> {
    this.isChanged = true;
    const renamed: [string, unknown][] = [];
    const taken = new Set<string>();
    for (const [key, value] of Object.entries(record)) {
      const masked = this.#mask.key(key);
      let name = masked;
      for (let number = 2; taken.has(name); number++) name = `${masked} ${number}`;
      taken.add(name);
      renamed.push([name, value]);
    }
    return Object.fromEntries(renamed);
  }

  #exactNumber(number: RawJson): unknown {
    const masked = this.#mask.text(number.rawJSON, this.#path);
    return masked === number.rawJSON ? number : this.#changed<unknown>(number, masked);
  }

  #text(text: string): string {
    if (this.#mask.passes(text)) return text;
    if (/^\s*["[{]/.test(text) && this.#layer < mostLayers) {
      const masked = this.#json(text);
      if (masked !== undefined) return masked;
    }
    return this.#mask.text(text, this.#path);
  }

  /** The text of JSON with what is inside masked; undefined: it is no JSON. */
  #json(text: string): string | undefined {
    try {
      const inside = new MaskWalk(this.#mask, [...this.#path], this.#layer + 1);
      const masked = inside.value(exactlyParsed(text));
      return inside.isChanged ? JSON.stringify(masked) : text;
    } catch {
      return undefined;
    }
  }
}

/** Of an entry that says in a field of its own what its value is. */
function labelOf({ key, name, value }: Record<string, unknown>): string | undefined {
  if (value === undefined) return undefined;
  if (typeof key === "string") return key;
  return typeof name === "string" ? name : undefined;
}

function exactlyParsed(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  return JSON.parse(
    text,
    function keepDigits(this: unknown, _key: string, value: unknown, ...rest: unknown[]): unknown {
      if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
      const source = (rest[0] as { source?: string } | undefined)?.source;
      return source === undefined ? value : exactJson.rawJSON(source);
    },
  );
}
