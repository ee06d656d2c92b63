/**
 * Reads a stored span where it lies: the places of its parts in the bytes, no texts, no objects. `JSON.parse` would
 * make every text anew, only to have it encoded again for the request, where most of a span goes as it is.
 *
 * It knows the JSON that `JSON.stringify` writes (no white space) of a sound span and refuses everything else, be it
 * only unusual: what it refuses goes through `JSON.parse`, the checks of validate.ts and the cleaning of
 * clean-fields.ts. So whatever it accepts, the longer way must make the same request of; a property test holds the two
 * against each other.
 */
import {
  closeBrace,
  closeBracket,
  colon,
  comma,
  isDigits,
  openBrace,
  openBracket,
  partKind,
  quote,
} from "./json-scanner.ts";
import { KeyTable, startsWith } from "./key-table.ts";
import { KeyValueScanner } from "./key-value-scanner.ts";
import { isFieldSound, isKnownText } from "./field-checks.ts";
import { type LangfuseField, langfuseFields } from "./langfuse-fields.ts";

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
  droppedAttributesCount: 14,
  droppedEventsCount: 15,
  droppedLinksCount: 16,
} as const;
export const firstEntry = 17;

/** Whose members are read. */
const within = { span: 0, attributes: 1, trace: 2, spread: 3 } as const;

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

/** Attributes whose value can cost the span on the server. */
const watchedAttributes = new KeyTable<"level" | "environment">([
  ["langfuse.observation.level", "level"],
  ["langfuse.environment", "environment"],
  ["deployment.environment", "environment"],
  ["deployment.environment.name", "environment"],
]);
/** Attributes whose place an explicit field takes. */
const takenAttributes = new KeyTable(
  langfuseFields.flatMap((row) => [row.attribute, ...row.sameAs].map((key): [string, LangfuseField] => [key, row])),
);
/** The same for fields that are spread: what all the attributes begin with. */
const takenPrefixes = langfuseFields
  .filter(({ encoding }) => encoding === "spread")
  .map((row) => ({ row, prefix: Buffer.from(`${row.attribute}.`) }));

export class SpanScanner extends KeyValueScanner {
  /** Start and end of the last ones that were read. */
  readonly #resource: [number, number] = [0, 0];
  readonly #scope: [number, number] = [0, 0];
  /** The explicit fields, also those without an entry. */
  readonly #given: LangfuseField[] = [];
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

  /** Is there an environment among the attributes or fields? */
  saysEnvironment = false;

  has(index: number): boolean {
    return this.kinds[index] !== partKind.absent;
  }

  override begin(bytes: Buffer): void {
    super.begin(bytes);
    this.#resource.fill(0);
    this.#scope.fill(0);
  }

  /**
   * Reads the payload at that place; of those since `begin` it must be the next one. `false`: the places mean nothing,
   * the longer way must be gone.
   */
  scan(start: number, end: number): boolean {
    this.at = start;
    this.end = end;
    this.count = firstEntry;
    this.#given.length = 0;
    this.saysEnvironment = false;
    this.kinds.fill(partKind.absent, 0, firstEntry);
    if (!this.#members(within.span) || this.at !== end) return false;
    return this.#isSound() && !(this.#given.length > 0 && this.#hasTaken());
  }

  /** Is there an attribute whose place an explicit field takes? */
  #hasTaken(): boolean {
    const given = this.#given;
    const prefixes = takenPrefixes.filter(({ row }) => given.includes(row));
    for (let index = firstEntry; index < this.count; index++) {
      if (this.rows[index] !== undefined) continue;
      const start = this.keyStarts[index] as number;
      const end = this.keyEnds[index] as number;
      const row = takenAttributes.find(this.bytes, start, end);
      if (row !== undefined && given.includes(row)) return true;
      for (const { prefix } of prefixes) if (startsWith(this.bytes, start, end, prefix)) return true;
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
      this.#isAbsentOr(part.kind, partKind.number) &&
      (!this.has(part.kind) ||
        isDigits(this.bytes, this.starts[part.kind] as number, this.ends[part.kind] as number, 1)) &&
      (!this.has(part.traceState) || (kinds[part.traceState] as number) <= partKind.escapedText) &&
      this.#isTime(part.startTimeUnixNano) &&
      this.#isTime(part.endTimeUnixNano) &&
      this.#isAbsentOr(part.events, partKind.array) &&
      this.#isAbsentOr(part.links, partKind.array) &&
      this.#isAbsentOr(part.status, partKind.object) &&
      this.#isAbsentOr(part.resource, partKind.object) &&
      this.#isAbsentOr(part.scope, partKind.object) &&
      this.#isAbsentOr(part.serviceName, partKind.text) &&
      this.#isAbsentOrCount(part.droppedAttributesCount) &&
      this.#isAbsentOrCount(part.droppedEventsCount) &&
      this.#isAbsentOrCount(part.droppedLinksCount)
    );
  }

  /** Nine digits are surely below 2^31. */
  #isAbsentOrCount(index: number): boolean {
    if (!this.has(index)) return true;
    const { bytes, kinds, starts, ends } = this;
    return kinds[index] === partKind.number && isDigits(bytes, starts[index] as number, ends[index] as number, 9);
  }

  #isAbsentOr(index: number, kind: number): boolean {
    return this.kinds[index] === partKind.absent || this.kinds[index] === kind;
  }

  /** Goes through the members of an object, from its opening bracket to behind the closing one. */
  #members(place: number): boolean {
    const bytes = this.bytes;
    if (bytes[this.at] !== openBrace) return false;
    if (bytes[this.at + 1] === closeBrace) {
      this.at += 2;
      return true;
    }
    do {
      // On the opening bracket or a comma.
      const keyStart = this.at + 2;
      if (bytes[this.at + 1] !== quote) return false;
      const keyEnd = this.textEnd(keyStart);
      if (keyEnd < 0 || this.isEscaped || bytes[keyEnd + 1] !== colon) return false;
      this.at = keyEnd + 2;
      if (!this.#member(place, keyStart, keyEnd)) return false;
    } while (bytes[this.at] === comma && this.at < this.end);
    return bytes[this.at++] === closeBrace && this.at <= this.end;
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
        return this.value() && this.#add(this.#spreadRow, keyStart, keyEnd);
    }
  }

  #spanMember(keyStart: number, keyEnd: number): boolean {
    const known = spanKeys.find(this.bytes, keyStart, keyEnd);
    if (known === undefined) return false;
    if (known.group === within.attributes && this.bytes[this.at] === openBracket) return this.#list();
    if (known.group !== undefined) return this.#members(known.group);
    if (known.row !== undefined) return this.#field(known.row);
    const index = known.part as number;
    if (index === part.resource || index === part.scope) return this.#sharedPart(index);
    if (!this.value() || this.kind === partKind.null) return false;
    this.#put(index);
    return true;
  }

  /** A part that most spans have in common: the same bytes as before need no reading. */
  #sharedPart(index: number): boolean {
    const { bytes, at } = this;
    const known = index === part.resource ? this.#resource : this.#scope;
    const end = at + known[1] - known[0];
    if (end > at && end <= this.end && bytes.compare(bytes, known[0], known[1], at, end) === 0) {
      this.kind = partKind.object;
      this.valueStart = at;
      this.valueEnd = end;
      this.at = end;
    } else {
      if (!this.value() || this.kind !== partKind.object) return false;
      known[0] = this.valueStart;
      known[1] = this.valueEnd;
    }
    this.#put(index);
    return true;
  }

  #traceMember(keyStart: number, keyEnd: number): boolean {
    const row = traceKeys.find(this.bytes, keyStart, keyEnd);
    return row !== undefined && this.#field(row);
  }

  #attributeMember(keyStart: number, keyEnd: number): boolean {
    return this.value() && this.#attribute(keyStart, keyEnd);
  }

  /** Goes through attributes in OTLP's form, from the opening bracket to behind the closing one. */
  #list(): boolean {
    const bytes = this.bytes;
    this.at++;
    if (bytes[this.at] === closeBracket) {
      this.at++;
      return true;
    }
    for (;;) {
      if (!this.keyValue() || !this.#attribute(this.keyStart, this.keyEnd)) return false;
      const next = bytes[this.at++];
      if (next !== comma) return next === closeBracket && this.at <= this.end;
    }
  }

  #attribute(keyStart: number, keyEnd: number): boolean {
    const watched = watchedAttributes.find(this.bytes, keyStart, keyEnd);
    const { bytes, kind, valueStart, valueEnd } = this;
    if (watched !== undefined && !isKnownText(watched, bytes, kind, valueStart, valueEnd)) return false;
    if (watched === "environment") this.saysEnvironment = true;
    return this.#add(undefined, keyStart, keyEnd);
  }

  /** An explicit field. */
  #field(row: LangfuseField): boolean {
    if (row.encoding === "spread") {
      this.#given.push(row);
      this.#spreadRow = row;
      return this.#members(within.spread);
    }
    if (!this.value()) return false;
    if (this.kind === partKind.null) return true;
    this.#given.push(row);
    if (row.field === "environment") this.saysEnvironment = true;
    return isFieldSound(row, this.bytes, this.kind, this.valueStart, this.valueEnd) && this.#add(row, 0, 0);
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
    this.kinds[index] = this.kind;
    this.starts[index] = this.valueStart;
    this.ends[index] = this.valueEnd;
  }

  #isId(index: number, digits: number): boolean {
    const start = this.starts[index] as number;
    const end = this.ends[index] as number;
    if (this.kinds[index] !== partKind.text || end - start !== digits) return false;
    const bytes = this.bytes;
    let isZero = true;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if ((byte < 0x30 || byte > 0x39) && (byte < 0x61 || byte > 0x66)) return false;
      if (byte !== 0x30) isZero = false;
    }
    return !isZero;
  }

  /** Nineteen digits go to the year 2286, and are below 2^64 whatever they are. */
  #isTime(index: number): boolean {
    return (
      this.kinds[index] === partKind.text &&
      isDigits(this.bytes, this.starts[index] as number, this.ends[index] as number, 19)
    );
  }
}
