import type { TraceFields } from "../buffer/span-payload.ts";

const maxTraces = 10_000;
const maxCharacters = 4 * 1024 * 1024;

/** Counted for what cannot be measured. */
const unknownCharacters = 4_096;

interface Update {
  fields: TraceFields;
  characters: number;
}

/**
 * What `updateTrace` has said of traces, for the spans that end later. Bounded: 10,000 traces and 4 Mi characters of
 * JSON, those leave first that were not updated for the longest time.
 */
export class TraceUpdates {
  readonly #byTrace = new Map<string, Update>();
  #characters = 0;

  of(traceId: string): TraceFields | undefined {
    return this.#byTrace.get(traceId)?.fields;
  }

  /** Fields that are given replace earlier ones, but for the keys of `traceMetadata`, which are joined. */
  add(traceId: string, fields: TraceFields): void {
    const merged = mergedTraceFields(this.of(traceId), fields);
    this.#remove(traceId);
    const update = { fields: merged, characters: charactersOf(merged) };
    this.#byTrace.set(traceId, update);
    this.#characters += update.characters;
    for (const oldest of this.#byTrace.keys()) {
      if (this.#byTrace.size <= maxTraces && this.#characters <= maxCharacters) break;
      this.#remove(oldest);
    }
  }

  #remove(traceId: string): void {
    this.#characters -= this.#byTrace.get(traceId)?.characters ?? 0;
    this.#byTrace.delete(traceId);
  }
}

/** What JSON cannot hold (cycles …) only shows when a span is serialised, and is marked there. */
function charactersOf(fields: TraceFields): number {
  try {
    return JSON.stringify(fields).length;
  } catch {
    return unknownCharacters;
  }
}

export function mergedTraceFields(earlier: TraceFields | undefined, later: TraceFields): TraceFields {
  const both = { ...earlier, ...later };
  const [first, second] = [earlier?.traceMetadata, later.traceMetadata];
  if (isPlainObject(first) && isPlainObject(second)) both.traceMetadata = { ...first, ...second };
  return both;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
