/**
 * Reads a stored span where it lies: the places of its parts in the bytes, no texts, no objects. `JSON.parse` would
 * make every text anew, only to have it encoded again for the request, where most of a span goes as it is.
 *
 * It knows the JSON that `JSON.stringify` writes (no white space) of a sound span and refuses everything else, be it
 * only unusual: what it refuses goes through `JSON.parse`, the checks of validate.ts and the cleaning of
 * clean-fields.ts. So whatever it accepts, the longer way must make the same request of; a property test holds the two
 * against each other.
 */
import { observationLevels, observationTypes } from "../buffer/span-payload.ts";
import { KeyTable } from "./key-table.ts";
import { type LangfuseField, langfuseFields } from "./langfuse-fields.ts";

/** What lies at a place. */
export const partKind = {
  /** A text without escapes; the place is what is between the quotes. */
  text: 0,
  /** The same with escapes in it. */
  escapedText: 1,
  number: 2,
  true: 3,
  false: 4,
  null: 5,
  /** From the opening bracket to behind the closing one. */
  object: 6,
  array: 7,
  /** Nothing: the span has no such part. */
  absent: 8,
} as const;

/** The parts that a span has at most once: their places among all. Attributes and fields follow from `firstEntry` on. */
export const part = {
  traceId: 0,
  spanId: 1,
  parentSpanId: 2,
  name: 3,
  kind: 4,
  traceState: 5,
  startTimeUnixNano: 6,
  endTimeUnixNano: 7,
  events: 8,
  links: 9,
  status: 10,
  resource: 11,
  scope: 12,
  serviceName: 13,
} as const;
export const firstEntry = 14;

/** Whose members are read. */
const within = { span: 0, attributes: 1, trace: 2, spread: 3 } as const;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Texts longer than this are passed over by native search, which costs too much to begin with for short ones. */
const nearBytes = 64;

/** More attributes in one span are unusual. */
const maxPlaces = 512;

/** What a key of the span's own object is: a part, a field, or an object with more of them. */
interface Known {
  part?: number;
  row?: LangfuseField;
  group?: number;
}

const rowsFrom = (from: LangfuseField["from"]): [string, LangfuseField][] =>
  langfuseFields.filter((row) => row.from === from).map((row) => [row.field, row]);

const spanKeys = new KeyTable<Known>([
  ...Object.entries(part).map(([name, index]): [string, Known] => [name, { part: index }]),
  ...rowsFrom("span").map(([name, row]): [string, Known] => [name, { row }]),
  ["attributes", { group: within.attributes }],
  ["trace", { group: within.trace }],
]);
const traceKeys = new KeyTable(rowsFrom("trace"));

/** Attributes whose value can cost the span on the server, with what they may be. */
const environmentPattern = /^(?!langfuse)[a-z0-9_-]{1,40}$/;
const types = new KeyTable(observationTypes.map((type) => [type, true]));
const levels = new KeyTable(observationLevels.map((level) => [level, true]));
const watchedAttributes = new KeyTable<"level" | "environment">([
  ["langfuse.observation.level", "level"],
  ["langfuse.environment", "environment"],
  ["deployment.environment", "environment"],
  ["deployment.environment.name", "environment"],
]);
/** Attributes that an explicit field may stand for. */
const overridable = /^(langfuse\.|user\.id$|session\.id$)/;
const longestOverridable = "session.id".length + 1;

/** Token counts with at most nine digits: surely below 2^31. */
const soundUsage = /^\{(?:"[^"\\]*":\d{1,9}(?:,(?!\})|(?=\})))+\}$/;
const soundCosts = /^\{(?:"[^"\\]*":\d[\d.eE+-]*(?:,(?!\})|(?=\})))+\}$/;

export class SpanScanner {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #nextBackslash = -1;
  #isEscaped = false;
  #hasFields = false;
  /** The field whose parts are being read. */
  #spreadRow: LangfuseField | undefined;

  /** Behind the last place that is of this span. */
  count: number = firstEntry;
  /** What lies at each place. */
  readonly kinds: Uint8Array = new Uint8Array(maxPlaces);
  readonly starts: Int32Array = new Int32Array(maxPlaces);
  readonly ends: Int32Array = new Int32Array(maxPlaces);
  /** Of the entries: the explicit field, and where the key lies, unless it is the field's alone. */
  readonly rows: (LangfuseField | undefined)[] = [];
  readonly keyStarts: Int32Array = new Int32Array(maxPlaces);
  readonly keyEnds: Int32Array = new Int32Array(maxPlaces);

  #kind = 0;
  #valueStart = 0;
  #valueEnd = 0;

  has(index: number): boolean {
    return this.kinds[index] !== partKind.absent;
  }

  /** A new batch of payloads; `scan` reads one after another. */
  begin(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#nextBackslash = -1;
  }

  /** Reads the payload at that place. `false`: the places mean nothing, the longer way must be gone. */
  scan(start: number, end: number): boolean {
    this.#at = start;
    this.#end = end;
    this.count = firstEntry;
    this.#hasFields = false;
    this.kinds.fill(partKind.absent, 0, firstEntry);
    if (!this.#members(within.span) || this.#at !== end) return false;
    return this.#isSound() && !(this.#hasFields && this.#hasOverridable());
  }

  /** Is there an attribute that an explicit field may stand for? */
  #hasOverridable(): boolean {
    for (let index = firstEntry; index < this.count; index++) {
      if (this.rows[index] !== undefined) continue;
      const start = this.keyStarts[index] as number;
      const end = Math.min(this.keyEnds[index] as number, start + longestOverridable);
      if (overridable.test(this.#bytes.toString("latin1", start, end))) return true;
    }
    return false;
  }

  #isSound(): boolean {
    const { kinds } = this;
    return (
      this.#isId(part.traceId, 32) &&
      this.#isId(part.spanId, 16) &&
      (!this.has(part.parentSpanId) || this.#isId(part.parentSpanId, 16)) &&
      (kinds[part.name] === partKind.text || kinds[part.name] === partKind.escapedText) &&
      (!this.has(part.kind) || this.#isDigits(this.starts[part.kind] as number, this.ends[part.kind] as number, 1)) &&
      (!this.has(part.traceState) || (kinds[part.traceState] as number) <= partKind.escapedText) &&
      this.#isTime(part.startTimeUnixNano) &&
      this.#isTime(part.endTimeUnixNano) &&
      this.#isAbsentOr(part.events, partKind.array) &&
      this.#isAbsentOr(part.links, partKind.array) &&
      this.#isAbsentOr(part.status, partKind.object) &&
      this.#isAbsentOr(part.resource, partKind.object) &&
      this.#isAbsentOr(part.scope, partKind.object) &&
      this.#isAbsentOr(part.serviceName, partKind.text)
    );
  }

  #isAbsentOr(index: number, kind: number): boolean {
    return this.kinds[index] === partKind.absent || this.kinds[index] === kind;
  }

  /** Goes through the members of an object, from its opening bracket to behind the closing one. */
  #members(place: number): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== openBrace) return false;
    if (bytes[this.#at + 1] === closeBrace) {
      this.#at += 2;
      return true;
    }
    do {
      // On the opening bracket or a comma.
      const keyStart = this.#at + 2;
      if (bytes[this.#at + 1] !== quote) return false;
      const keyEnd = this.#textEnd(keyStart);
      if (keyEnd < 0 || this.#isEscaped || bytes[keyEnd + 1] !== colon) return false;
      this.#at = keyEnd + 2;
      if (!this.#member(place, keyStart, keyEnd)) return false;
    } while (bytes[this.#at] === comma && this.#at < this.#end);
    return bytes[this.#at++] === closeBrace && this.#at <= this.#end;
  }

  #member(place: number, keyStart: number, keyEnd: number): boolean {
    switch (place) {
      case within.span:
        return this.#spanMember(keyStart, keyEnd);
      case within.attributes:
        return this.#attributeMember(keyStart, keyEnd);
      case within.trace:
        return this.#traceMember(keyStart, keyEnd);
      default:
        return this.#value() && this.#add(this.#spreadRow, keyStart, keyEnd);
    }
  }

  #spanMember(keyStart: number, keyEnd: number): boolean {
    const known = spanKeys.find(this.#bytes, keyStart, keyEnd);
    if (known === undefined) return false;
    if (known.group !== undefined) return this.#members(known.group);
    if (known.row !== undefined) return this.#field(known.row);
    if (!this.#value() || this.#kind === partKind.null) return false;
    this.#put(known.part as number);
    return true;
  }

  #traceMember(keyStart: number, keyEnd: number): boolean {
    const row = traceKeys.find(this.#bytes, keyStart, keyEnd);
    return row !== undefined && this.#field(row);
  }

  #attributeMember(keyStart: number, keyEnd: number): boolean {
    if (!this.#value()) return false;
    const watched = watchedAttributes.find(this.#bytes, keyStart, keyEnd);
    if (watched !== undefined && !this.#isKnownText(watched)) return false;
    return this.#add(undefined, keyStart, keyEnd);
  }

  /** An explicit field. */
  #field(row: LangfuseField): boolean {
    this.#hasFields = true;
    if (row.encoding === "spread") {
      this.#spreadRow = row;
      return this.#members(within.spread);
    }
    if (!this.#value()) return false;
    return this.#kind === partKind.null || (this.#isFieldSound(row) && this.#add(row, 0, 0));
  }

  #isFieldSound({ field, encoding }: LangfuseField): boolean {
    const kind = this.#kind;
    switch (encoding) {
      case "text":
        if (field === "type" || field === "level" || field === "environment") return this.#isKnownText(field);
        return kind === partKind.text || kind === partKind.escapedText;
      case "json":
        return true;
      case "record":
        return kind === partKind.object && this.#areCountsSound(field);
      case "boolean":
        return kind === partKind.true || kind === partKind.false;
      case "texts":
        return kind === partKind.array;
      case "integer":
        return kind === partKind.number && this.#isDigits(this.#valueStart, this.#valueEnd, 9);
      default:
        return false;
    }
  }

  #isKnownText(field: "type" | "level" | "environment"): boolean {
    if (this.#kind !== partKind.text) return false;
    if (field === "type") return types.find(this.#bytes, this.#valueStart, this.#valueEnd) === true;
    if (field === "level") return levels.find(this.#bytes, this.#valueStart, this.#valueEnd) === true;
    return environmentPattern.test(this.#bytes.toString("latin1", this.#valueStart, this.#valueEnd));
  }

  #areCountsSound(field: LangfuseField["field"]): boolean {
    if (field !== "usageDetails" && field !== "costDetails") return true;
    const pattern = field === "usageDetails" ? soundUsage : soundCosts;
    return pattern.test(this.#bytes.toString("latin1", this.#valueStart, this.#valueEnd));
  }

  #add(row: LangfuseField | undefined, keyStart: number, keyEnd: number): boolean {
    const index = this.count++;
    if (index >= maxPlaces) return false;
    this.rows[index] = row;
    this.keyStarts[index] = keyStart;
    this.keyEnds[index] = keyEnd;
    this.#put(index);
    return true;
  }

  #put(index: number): void {
    this.kinds[index] = this.#kind;
    this.starts[index] = this.#valueStart;
    this.ends[index] = this.#valueEnd;
  }

  /** Reads over one value and notes its place. */
  #value(): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    const first = bytes[start];
    if (first === quote) {
      this.#valueStart = start + 1;
      this.#valueEnd = this.#textEnd(start + 1);
      this.#kind = this.#isEscaped ? partKind.escapedText : partKind.text;
      this.#at = this.#valueEnd + 1;
      return this.#valueEnd >= 0;
    }
    this.#valueStart = start;
    if (first === openBrace || first === openBracket) {
      this.#kind = first === openBrace ? partKind.object : partKind.array;
      this.#valueEnd = this.#nestedEnd(start);
      this.#at = this.#valueEnd;
      return this.#valueEnd >= 0;
    }
    let at = start;
    while (at < this.#end && bytes[at] !== comma && bytes[at] !== closeBrace && bytes[at] !== closeBracket) at++;
    this.#at = at;
    this.#valueEnd = at;
    const kind = literalKind(first, at - start);
    this.#kind = kind;
    return kind >= 0;
  }

  /** From behind the opening quote to the closing one; -1: there is none. Notes whether there are escapes between. */
  #textEnd(from: number): number {
    const bytes = this.#bytes;
    this.#isEscaped = false;
    let at = from;
    const near = Math.min(from + nearBytes, this.#end);
    for (; at < near; at++) {
      const byte = bytes[at];
      if (byte === quote) return at;
      if (byte === backslash) {
        this.#isEscaped = true;
        at++;
      }
    }
    for (;;) {
      const end = bytes.indexOf(quote, at);
      if (end < 0 || end >= this.#end) return -1;
      if (this.#nextBackslash < at) {
        const found = bytes.indexOf(backslash, at);
        this.#nextBackslash = found < 0 ? Number.POSITIVE_INFINITY : found;
      }
      if (this.#nextBackslash > end) return end;
      this.#isEscaped = true;
      at = this.#nextBackslash + 2;
    }
  }

  /** From an opening bracket to behind the one that closes it. */
  #nestedEnd(from: number): number {
    const bytes = this.#bytes;
    let depth = 0;
    for (let at = from; at < this.#end; at++) {
      const byte = bytes[at];
      if (byte === quote) {
        at = this.#textEnd(at + 1);
        if (at < 0) return -1;
      } else if (byte === openBrace || byte === openBracket) depth++;
      else if (byte === closeBrace || byte === closeBracket) {
        depth--;
        if (depth === 0) return at + 1;
      }
    }
    return -1;
  }

  #isId(index: number, digits: number): boolean {
    const start = this.starts[index] as number;
    const end = this.ends[index] as number;
    if (this.kinds[index] !== partKind.text || end - start !== digits) return false;
    const bytes = this.#bytes;
    let isZero = true;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if ((byte < 0x30 || byte > 0x39) && (byte < 0x61 || byte > 0x66)) return false;
      if (byte !== 0x30) isZero = false;
    }
    return !isZero;
  }

  #isDigits(start: number, end: number, most: number): boolean {
    if (end - start > most || end === start) return false;
    const bytes = this.#bytes;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte < 0x30 || byte > 0x39) return false;
    }
    return true;
  }

  /** Nineteen digits go to the year 2286, and are below 2^64 whatever they are. */
  #isTime(index: number): boolean {
    return (
      this.kinds[index] === partKind.text &&
      this.#isDigits(this.starts[index] as number, this.ends[index] as number, 19)
    );
  }
}

/** `true`, `false`, `null` or a number, by how it begins; -1: nothing that `JSON.stringify` writes. */
function literalKind(first: number | undefined, length: number): number {
  switch (first) {
    case 0x74:
      return length === 4 ? partKind.true : -1;
    case 0x66:
      return length === 5 ? partKind.false : -1;
    case 0x6e:
      return length === 4 ? partKind.null : -1;
    default:
      return length > 0 && first !== undefined && (first === 0x2d || (first >= 0x30 && first <= 0x39))
        ? partKind.number
        : -1;
  }
}
