/** A trace across services: what a request's headers say of it, after W3C Trace Context and Baggage. */
import type { TraceFields } from "../buffer/span-payload.ts";
import { formatBaggage, fieldsFromBaggage } from "./baggage.ts";
import type { StartSpanOptions, TraceOptions } from "./span-fields.ts";
import { formatTraceparent, parseTraceparent, soundTracestate } from "./w3c-trace-context.ts";

export interface InjectOptions {
  /**
   * Also writes user, session, trace name, tags and metadata of the trace into the header `baggage`, as Langfuse's
   * `propagateAttributes` with `asBaggage` does. Default: false, since whoever is called reads them.
   */
  baggage?: boolean;
}

/** Where a trace that began elsewhere goes on; to be spread into the options of `startSpan`. */
export type RemoteParent = Pick<StartSpanOptions, "traceId" | "parentSpanId" | "traceState"> & TraceOptions;

interface TraceIdentity {
  readonly id: string;
  readonly isSampled: boolean;
  readonly traceState: string | undefined;
}

/** May throw what the carrier throws. */
export function inject(
  { spanId }: { readonly spanId: string },
  { id, isSampled, traceState }: TraceIdentity,
  fields: TraceFields | undefined,
  carrier: object,
  { baggage = false }: InjectOptions = {},
): void {
  write(carrier, "traceparent", formatTraceparent(id, spanId, isSampled));
  const sound = traceState === undefined ? undefined : soundTracestate(traceState);
  if (sound !== undefined) write(carrier, "tracestate", sound);
  if (!baggage || fields === undefined) return;
  const text = formatBaggage(fields, read(carrier, "baggage"));
  if (text !== "") write(carrier, "baggage", text);
}

/**
 * The parent that the headers of a request name, by `traceparent`, `tracestate` and Langfuse's entries in `baggage`. Empty
 * when they name none, or one that W3C's rules forbid. Never throws. The caller's sampling is not heeded: `sampleRate`
 * decides by trace id, and with the same rate the same everywhere.
 *
 * @param carrier `Headers`, or an object as Node's `request.headers`; names in any case.
 */
export function extract(carrier: object): RemoteParent {
  try {
    const parent = parseTraceparent(read(carrier, "traceparent"));
    const baggage = read(carrier, "baggage");
    const fields = baggage === undefined ? {} : fieldsFromBaggage(baggage);
    if (parent === undefined) return fields;
    const tracestate = read(carrier, "tracestate");
    const traceState = tracestate === undefined ? undefined : soundTracestate(tracestate);
    return { ...parent, ...(traceState === undefined ? {} : { traceState }), ...fields };
  } catch {
    return {};
  }
}

interface HeadersLike {
  get(name: string): unknown;
  set(name: string, value: string): unknown;
}

function isHeaders(carrier: object): carrier is HeadersLike {
  return typeof (carrier as Partial<HeadersLike>).get === "function";
}

/** A header that came several times is a list; joined as HTTP joins it. */
function read(carrier: object, name: string): string | undefined {
  if (isHeaders(carrier)) return textOf(carrier.get(name));
  const record = carrier as Record<string, unknown>;
  const key = name in record ? name : Object.keys(record).find((each) => each.toLowerCase() === name);
  return key === undefined ? undefined : textOf(record[key]);
}

function textOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.every((part) => typeof part === "string") ? value.join(",") : undefined;
  return typeof value === "string" ? value : undefined;
}

/** In the place of the same header in another case: two of them would be one wrong one. */
function write(carrier: object, name: string, value: string): void {
  if (isHeaders(carrier)) {
    carrier.set(name, value);
    return;
  }
  const record = carrier as Record<string, unknown>;
  for (const key of Object.keys(record)) if (key !== name && key.toLowerCase() === name) delete record[key];
  record[name] = value;
}
