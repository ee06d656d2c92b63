/**
 * The value of each Langfuse field of one span, for ingestion: the explicit one, else what is found in the attributes,
 * along the rows of langfuse-fields.ts.
 */
import type { ObservationType, SpanPayload } from "../buffer/span-payload.ts";
import { isRecord, toPlainAttributes } from "./attribute-values.ts";
import {
  explicitValue,
  type FieldEncoding,
  type LangfuseField,
  type LookUp,
  langfuseFields,
} from "./langfuse-fields.ts";
import { observationType } from "./observation-type.ts";

export interface ResolvedSpan {
  type: ObservationType;
  /** Value by row; rows without a value are not there. */
  values: ReadonlyMap<LangfuseField, unknown>;
  /** Attributes that became no field. */
  restAttributes: Record<string, unknown>;
  restEvents: NonNullable<SpanPayload["events"]>;
}

const error = 2;

export function resolveFields(payload: SpanPayload): ResolvedSpan {
  const search = new AttributeSearch(payload);
  const values = new Map<LangfuseField, unknown>();
  for (const row of langfuseFields) {
    const explicit = explicitValue(row, payload);
    const value = explicit === undefined ? search.find(row) : search.beside(row, explicit);
    const final = value ?? fromStatus(row, payload);
    if (final !== undefined) values.set(row, final);
  }
  return {
    type: typeOf(payload, search.attributes),
    values,
    restAttributes: search.rest(),
    restEvents: search.restEvents(),
  };
}

export function typeOf(
  payload: SpanPayload,
  attributes: ReadonlyMap<string, unknown> = toPlainAttributes(payload.attributes),
): ObservationType {
  return payload.type ?? observationType(attributes, payload.model !== undefined);
}

function fromStatus({ field }: LangfuseField, { status }: SpanPayload): string | undefined {
  if (field === "level") return status?.code === error ? "ERROR" : undefined;
  return field === "statusMessage" && status?.message !== "" ? status?.message : undefined;
}

/** Looks values up and remembers which attributes and events were used. */
class AttributeSearch {
  readonly attributes: ReadonlyMap<string, unknown>;
  readonly #resource: ReadonlyMap<string, unknown>;
  readonly #events: NonNullable<SpanPayload["events"]>;
  readonly #used = new Set<string>();
  readonly #usedEvents = new Set<unknown>();

  constructor(payload: SpanPayload) {
    this.attributes = toPlainAttributes(payload.attributes);
    this.#resource = toPlainAttributes(payload.resource?.attributes);
    this.#events = Array.isArray(payload.events) ? payload.events : [];
  }

  /** An explicit value takes the place of the attributes that say the same; of metadata, key by key. */
  beside(row: LangfuseField, explicit: unknown): unknown {
    const found = row.encoding === "spread" ? this.#spread(row.attribute) : undefined;
    for (const key of [row.attribute, ...row.sameAs]) this.#used.add(key);
    return isRecord(found) ? { ...found, ...(isRecord(explicit) ? explicit : { metadata: explicit }) } : explicit;
  }

  find(row: LangfuseField): unknown {
    if (row.encoding === "spread") return this.#spread(row.attribute);
    for (const lookUp of [row.attribute, ...row.fallbacks]) {
      const value = decode(row.encoding, this.#look(lookUp, row.inResource === true));
      if (value === undefined) continue;
      if (typeof lookUp === "string") this.#used.add(lookUp);
      return value;
    }
    return undefined;
  }

  rest(): Record<string, unknown> {
    return Object.fromEntries([...this.attributes].filter(([key]) => !this.#used.has(key)));
  }

  restEvents(): NonNullable<SpanPayload["events"]> {
    return this.#events.filter((event) => !this.#usedEvents.has(event));
  }

  #look(lookUp: LookUp, inResource: boolean): unknown {
    if (typeof lookUp === "string") {
      return this.attributes.get(lookUp) ?? (inResource ? this.#resource.get(lookUp) : undefined) ?? undefined;
    }
    return "events" in lookUp ? this.#fromEvents(lookUp.events) : this.#below(lookUp);
  }

  /** Attributes below a prefix as one record of numbers. */
  #below({ prefix, rename, except }: Extract<LookUp, { prefix: string }>): unknown {
    const record: Record<string, unknown> = {};
    for (const [key, value] of this.attributes) {
      const name = key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
      if (name === undefined || except?.includes(name) === true || !Number.isFinite(Number(value ?? Number.NaN)))
        continue;
      record[rename[name] ?? name] = Number(value);
      this.#used.add(key);
    }
    return Object.keys(record).length > 0 ? record : undefined;
  }

  /** Messages that came as span events: one object, or an array of them. */
  #fromEvents(names: readonly string[]): unknown {
    const events = this.#events.filter(({ name }) => names.includes(name));
    if (events.length === 0) return undefined;
    const messages = events.map((event) => {
      this.#usedEvents.add(event);
      const role = /^gen_ai\.(\w+)\.message$/.exec(event.name)?.[1];
      return { ...(role === undefined ? {} : { role }), ...Object.fromEntries(toPlainAttributes(event.attributes)) };
    });
    return messages.length === 1 && names.includes("gen_ai.choice") ? messages[0] : messages;
  }

  /** `key` (an object as JSON) and everything below `key.` as one object. */
  #spread(key: string): unknown {
    const whole = decode("json", this.attributes.get(key));
    if (whole !== undefined) this.#used.add(key);
    const record: Record<string, unknown> = isRecord(whole)
      ? { ...whole }
      : whole === undefined
        ? {}
        : { metadata: whole };
    for (const [name, value] of this.attributes) {
      if (!name.startsWith(`${key}.`)) continue;
      record[name.slice(key.length + 1)] = decode("json", value);
      this.#used.add(name);
    }
    return Object.keys(record).length > 0 ? record : undefined;
  }
}

/** What an attribute's value means for a field; undefined when it cannot be one. */
function decode(encoding: FieldEncoding, value: unknown): unknown {
  if (value === undefined || value === null || value === "") return undefined;
  switch (encoding) {
    case "text":
      return typeof value === "string" ? value : JSON.stringify(value);
    case "json":
    case "spread":
      return fromJson(value);
    case "record": {
      const record = fromJson(value);
      return isRecord(record) ? record : undefined;
    }
    case "texts": {
      const texts = fromJson(value);
      return (Array.isArray(texts) ? texts : String(texts).split(",")).map((text) => String(text).trim());
    }
    case "boolean":
      return value === true || value === "true";
    case "integer":
      return Number.isInteger(Number(value)) ? Number(value) : undefined;
    default:
      return encoding satisfies never;
  }
}

/** A string that holds a JSON object or array is that; any other value is itself. */
function fromJson(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
