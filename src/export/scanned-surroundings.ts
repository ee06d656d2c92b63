/** What stands around a span that a scanner has found: resource, scope and service name, which most spans share. */
import type { OtlpKeyValue } from "./attribute-values.ts";
import { type Envelope, type EnvelopeFields, envelopeOf } from "./envelope.ts";
import { environmentToWrite } from "./otlp.ts";
import { part, type SpanScanner } from "./span-scanner.ts";

export interface Surroundings {
  envelope: Envelope;
  /** Written on spans that say none: the resource's, which the server would refuse, cleaned. */
  environment: OtlpKeyValue | undefined;
}

const parts = [part.resource, part.scope, part.serviceName] as const;
type Texts = readonly (Buffer | undefined)[];

const own: Surroundings = { envelope: envelopeOf({}), environment: undefined };

/** By the parts as they lie in the bytes. */
const known = new Map<string, Surroundings>();
/** More of them than this are no bot's; the table begins anew. */
const mostKnown = 1_000;

/** Those of the last span, which the next one nearly always has too: its parts, `undefined` for one it has not. */
let lastTexts: Texts = parts.map(() => undefined);
let last = own;

export function scannedSurroundings(bytes: Buffer, scanner: SpanScanner): Surroundings {
  if (areSame(bytes, scanner)) return last;
  const texts = parts.map((index) =>
    scanner.has(index) ? Buffer.from(bytes.subarray(scanner.starts[index], scanner.ends[index])) : undefined,
  );
  last = surroundingsOf(texts);
  lastTexts = texts;
  return last;
}

function areSame(bytes: Buffer, scanner: SpanScanner): boolean {
  for (let place = 0; place < parts.length; place++) {
    const index = parts[place] as number;
    const text = lastTexts[place];
    if ((text !== undefined) !== scanner.has(index)) return false;
    if (text === undefined) continue;
    const start = scanner.starts[index] as number;
    const end = scanner.ends[index] as number;
    if (end - start !== text.length || bytes.compare(text, 0, text.length, start, end) !== 0) return false;
  }
  return true;
}

function surroundingsOf([resource, scope, serviceName]: Texts): Surroundings {
  // In quotes: an empty name is not the same as none. It has no escapes, see span-scanner.ts.
  const name = serviceName === undefined ? "" : `"${String(serviceName)}"`;
  const key = `${String(resource ?? "")}\n${String(scope ?? "")}\n${name}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const fields: EnvelopeFields = {};
  if (resource !== undefined) fields.resource = JSON.parse(String(resource)) as object;
  if (scope !== undefined) fields.scope = JSON.parse(String(scope)) as object;
  if (serviceName !== undefined) fields.serviceName = String(serviceName);
  if (known.size >= mostKnown) known.clear();
  const surroundings = { envelope: envelopeOf(fields), environment: environmentToWrite(fields) };
  known.set(key, surroundings);
  return surroundings;
}
