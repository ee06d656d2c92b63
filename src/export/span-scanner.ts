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
} as const;

/** Whose members are read. */
const within = { span: 0, attributes: 1, trace: 2, spread: 3 } as const;

/** A place that is not there. */
const nowhere = -1;

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
const maxEntries = 512;

/** One place. */
export interface Place {
  start: number;
  end: number;
  kind: number;
}

type PlaceName =
  | "traceId"
  | "spanId"
  | "parentSpanId"
  | "name"
  | "kind"
  | "traceState"
  | "startTimeUnixNano"
  | "endTimeUnixNano"
  | "events"
  | "links"
  | "status"
  | "resource"
  | "scope"
  | "serviceName";

type Known = { place: PlaceName } | { row: LangfuseField } | { group: "attributes" | "trace" };

const placeNames: readonly PlaceName[] = [
  "traceId",
  "spanId",
  "parentSpanId",
  "name",
  "kind",
  "traceState",
  "startTimeUnixNano",
  "endTimeUnixNano",
  "events",
  "links",
  "status",
  "resource",
  "scope",
  "serviceName",
];

const rowsFrom = (from: LangfuseField["from"]): [string, LangfuseField][] =>
  langfuseFields.filter((row) => row.from === from).map((row) => [row.field, row]);

const spanKeys = new KeyTable<Known>([
  ...placeNames.map((place): [string, Known] => [place, { place }]),
  ...rowsFrom("span").map(([name, row]): [string, Known] => [name, { row }]),
  ["attributes", { group: "attributes" }],
  ["trace", { group: "trace" }],
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
  #nextBackslash = nowhere;
  #isEscaped = false;
  #hasFields = false;
  /** The field whose parts are being read. */
  #spreadRow: LangfuseField | undefined;

  /** Places of what is there once; a `start` of -1: it is not. */
  readonly places: Record<PlaceName, Place>;
  /** Attributes, and explicit fields by their row. Only the first `count` are of this span. */
  count = 0;
  readonly rows: (LangfuseField | undefined)[] = [];
  readonly keyStarts: Int32Array = new Int32Array(maxEntries);
  readonly keyEnds: Int32Array = new Int32Array(maxEntries);
  readonly valueStarts: Int32Array = new Int32Array(maxEntries);
  readonly valueEnds: Int32Array = new Int32Array(maxEntries);
  readonly kinds: Uint8Array = new Uint8Array(maxEntries);

  #kind = 0;
  #valueStart = 0;
  #valueEnd = 0;

  constructor() {
    this.places = Object.fromEntries(
      placeNames.map((name) => [name, { start: nowhere, end: nowhere, kind: 0 }]),
    ) as unknown as Record<PlaceName, Place>;
  }

  /** Where the value of an entry lies. */
  valueAt(index: number): Place {
    return {
      start: this.valueStarts[index] as number,
      end: this.valueEnds[index] as number,
      kind: this.kinds[index] as number,
    };
  }

  /** A new batch of payloads; `scan` reads one after another. */
  begin(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#nextBackslash = nowhere;
  }

  /** Reads the payload at that place. `false`: the places mean nothing, the longer way must be gone. */
  scan(start: number, end: number): boolean {
    this.#at = start;
    this.#end = end;
    this.count = 0;
    this.#hasFields = false;
    for (const name of placeNames) this.places[name].start = nowhere;
    if (!this.#members(within.span) || this.#at !== end) return false;
    return this.#isSound() && !(this.#hasFields && this.#hasOverridable());
  }

  /** Is there an attribute that an explicit field may stand for? */
  #hasOverridable(): boolean {
    for (let index = 0; index < this.count; index++) {
      if (this.rows[index] !== undefined) continue;
      const start = this.keyStarts[index] as number;
      const end = Math.min(this.keyEnds[index] as number, start + longestOverridable);
      if (overridable.test(this.#bytes.toString("latin1", start, end))) return true;
    }
    return false;
  }

  #isSound(): boolean {
    const { traceId, spanId, parentSpanId, name, kind, traceState, startTimeUnixNano, endTimeUnixNano } = this.places;
    const { events, links, status, resource, scope, serviceName } = this.places;
    return (
      this.#isId(traceId, 32) &&
      this.#isId(spanId, 16) &&
      (parentSpanId.start === nowhere || this.#isId(parentSpanId, 16)) &&
      name.start !== nowhere &&
      isText(name) &&
      (kind.start === nowhere || this.#isDigits(kind, 1)) &&
      (traceState.start === nowhere || isText(traceState)) &&
      this.#isTime(startTimeUnixNano) &&
      this.#isTime(endTimeUnixNano) &&
      isAbsentOr(events, partKind.array) &&
      isAbsentOr(links, partKind.array) &&
      isAbsentOr(status, partKind.object) &&
      isAbsentOr(resource, partKind.object) &&
      isAbsentOr(scope, partKind.object) &&
      isAbsentOr(serviceName, partKind.text)
    );
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
    if ("group" in known) return this.#members(known.group === "trace" ? within.trace : within.attributes);
    if ("row" in known) return this.#field(known.row);
    if (!this.#value()) return false;
    if (this.#kind === partKind.null) return false;
    const place = this.places[known.place];
    place.start = this.#valueStart;
    place.end = this.#valueEnd;
    place.kind = this.#kind;
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
        return kind === partKind.number && this.#isDigits({ start: this.#valueStart, end: this.#valueEnd, kind }, 9);
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
    if (index >= maxEntries) return false;
    this.rows[index] = row;
    this.keyStarts[index] = keyStart;
    this.keyEnds[index] = keyEnd;
    this.valueStarts[index] = this.#valueStart;
    this.valueEnds[index] = this.#valueEnd;
    this.kinds[index] = this.#kind;
    return true;
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

  #isId({ start, end, kind }: Place, digits: number): boolean {
    if (start === nowhere || kind !== partKind.text || end - start !== digits) return false;
    let isZero = true;
    for (let at = start; at < end; at++) {
      const byte = this.#bytes[at] as number;
      if ((byte < 0x30 || byte > 0x39) && (byte < 0x61 || byte > 0x66)) return false;
      if (byte !== 0x30) isZero = false;
    }
    return !isZero;
  }

  #isDigits({ start, end }: Place, most: number): boolean {
    if (end - start > most || end === start) return false;
    for (let at = start; at < end; at++) {
      const byte = this.#bytes[at] as number;
      if (byte < 0x30 || byte > 0x39) return false;
    }
    return true;
  }

  /** Nineteen digits go to the year 2286, and are below 2^64 whatever they are. */
  #isTime(place: Place): boolean {
    return place.start !== nowhere && place.kind === partKind.text && this.#isDigits(place, 19);
  }
}

function isText({ kind }: Place): boolean {
  return kind === partKind.text || kind === partKind.escapedText;
}

function isAbsentOr({ start, kind }: Place, expected: number): boolean {
  return start === nowhere || kind === expected;
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
