/**
 * Payloads → spans of OTLP (in its JSON form) with all that is mended and cleaned on the way, and those together → the
 * body of `POST /api/public/otel/v1/traces` (`ExportTraceServiceRequest`). The same payloads always give the same
 * request: no clock, no chance.
 */
import {
  observationLevels,
  type PayloadAttributes,
  type PayloadEvent,
  type PayloadLink,
  type SpanPayload,
} from "../buffer/span-payload.ts";
import { isRecord, type OtlpKeyValue, toKeyValues, toOtlpValue, toPlainAttributes } from "./attribute-values.ts";
import { cleanEnvironment, cleanPayload } from "./clean-fields.ts";
import { type Envelope, envelopeOf, type OtlpResource, type OtlpScope } from "./envelope.ts";
import { explicitValue, type LangfuseField, langfuseFields } from "./langfuse-fields.ts";

export interface OtlpRequest {
  resourceSpans: OtlpResourceSpans[];
}

interface OtlpResourceSpans {
  resource: OtlpResource;
  scopeSpans: { scope: OtlpScope; spans: OtlpSpan[] }[];
}

export interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: OtlpKeyValue[];
  events?: { name: string; timeUnixNano: string; attributes: OtlpKeyValue[]; droppedAttributesCount?: number }[];
  links?: {
    traceId: string;
    spanId: string;
    traceState?: string;
    attributes: OtlpKeyValue[];
    droppedAttributesCount?: number;
  }[];
  droppedAttributesCount?: number;
  droppedEventsCount?: number;
  droppedLinksCount?: number;
  status: { code?: number; message?: string };
}

/** A span with what stands around it. */
export interface EnvelopedSpan {
  envelope: Envelope;
  span: OtlpSpan;
}

export const internalKind = 1;
/** Of what the span's maker had no room for. */
export const droppedCountNames = ["droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"] as const;
/** Of the attributes that mean something to Langfuse alone. */
export const ownPrefix = "langfuse.";
export const tagsAttribute = "langfuse.trace.tags";

/** Groups by resource and scope, in the order of first appearance. */
export function otlpRequest(spans: readonly EnvelopedSpan[]): OtlpRequest {
  const byResource = new Map<string, OtlpResourceSpans>();
  const byEnvelope = new Map<Envelope, OtlpSpan[]>();
  for (const { envelope, span } of spans) {
    let group = byEnvelope.get(envelope);
    if (group === undefined) {
      group = [];
      byEnvelope.set(envelope, group);
      const { resource, scope, resourceKey } = envelope;
      let resourceSpans = byResource.get(resourceKey);
      if (resourceSpans === undefined) {
        resourceSpans = { resource, scopeSpans: [] };
        byResource.set(resourceKey, resourceSpans);
      }
      resourceSpans.scopeSpans.push({ scope, spans: group });
    }
    group.push(span);
  }
  return { resourceSpans: [...byResource.values()] };
}

/** One payload, mended and cleaned. @throws for a shape that no request can be made of. */
export function envelopedSpan(payload: SpanPayload): EnvelopedSpan {
  return { envelope: envelopeOf(payload), span: otlpSpan(payload) };
}

function otlpSpan(raw: SpanPayload): OtlpSpan {
  const payload = cleanPayload(raw);
  return {
    traceId: payload.traceId,
    spanId: payload.spanId,
    ...(payload.parentSpanId === undefined ? {} : { parentSpanId: payload.parentSpanId }),
    ...(payload.traceState === undefined ? {} : { traceState: payload.traceState }),
    name: payload.name,
    kind: payload.kind ?? internalKind,
    startTimeUnixNano: payload.startTimeUnixNano,
    endTimeUnixNano: payload.endTimeUnixNano,
    attributes: spanAttributes(payload),
    ...(Array.isArray(payload.events) ? { events: payload.events.map(otlpEvent) } : {}),
    ...(Array.isArray(payload.links) ? { links: payload.links.map(otlpLink) } : {}),
    ...droppedCounts(payload, droppedCountNames),
    status: payload.status ?? {},
  };
}

export function otlpEvent(event: PayloadEvent): NonNullable<OtlpSpan["events"]>[number] {
  const { name, timeUnixNano, attributes } = event;
  return { name, timeUnixNano, attributes: toKeyValues(attributes), ...droppedCounts(event, attributesCountName) };
}

export function otlpLink(payload: PayloadLink): NonNullable<OtlpSpan["links"]>[number] {
  const { attributes, droppedAttributesCount: _checked, ...link } = payload;
  return { ...link, attributes: toKeyValues(attributes), ...droppedCounts(payload, attributesCountName) };
}

const attributesCountName = ["droppedAttributesCount"] as const;

/** Those of these counts that are there and are counts. */
export function droppedCounts<Name extends string>(
  part: Readonly<Partial<Record<Name, unknown>>>,
  names: readonly Name[],
): Partial<Record<Name, number>> {
  const counts: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const count = part[name];
    if (typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= mostDropped)
      counts[name] = count;
  }
  return counts;
}

/** More is not told apart by anybody, and what is below fits every reader's integers. */
const mostDropped = 999_999_999;

/** The explicit fields first; then the span's own attributes, but for those whose place an explicit field has taken. */
function spanAttributes(payload: SpanPayload): OtlpKeyValue[] {
  const written: OtlpKeyValue[] = [];
  const taken = new Set<string>();
  for (const row of langfuseFields) {
    const value = explicitValue(row, payload);
    if (value === undefined) continue;
    taken.add(row.attribute);
    for (const key of row.sameAs) taken.add(key);
    for (const keyValue of encodeField(row, value)) {
      written.push(keyValue);
      taken.add(keyValue.key);
    }
  }
  const environment = environmentToWrite(payload);
  if (environment !== undefined) {
    written.push(environment);
    taken.add(environment.key);
  }
  const own = toKeyValues(asLangfuseReads(payload.attributes)).filter(({ key }) => !taken.has(key));
  return [...written, ...own.map(withKnownLevel)];
}

/**
 * Langfuse's own attributes with their structures as JSON text, as it keeps them; but for the tags, which are a list.
 * Attributes in OTLP's form are somebody else's and stay.
 */
function asLangfuseReads(attributes: unknown): unknown {
  if (!isRecord(attributes)) return attributes;
  return Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [key, isKeptAsText(key, value) ? JSON.stringify(value) : value]),
  );
}

function isKeptAsText(key: string, value: unknown): boolean {
  return typeof value === "object" && value !== null && key.startsWith(ownPrefix) && key !== tagsAttribute;
}

/** A level that Langfuse does not know would cost the span, after a 200: kept, but as metadata. */
function withKnownLevel(keyValue: OtlpKeyValue): OtlpKeyValue {
  if (keyValue.key !== "langfuse.observation.level") return keyValue;
  const isKnown = observationLevels.some((level) => level === keyValue.value.stringValue);
  return isKnown ? keyValue : { ...keyValue, key: "langfuse.observation.metadata.level" };
}

/** An environment that came as an attribute and that the server would refuse, cleaned; it goes before the others. */
export function environmentToWrite({
  environment,
  attributes,
  resource,
}: Pick<SpanPayload, "environment" | "attributes" | "resource">): OtlpKeyValue | undefined {
  if (environment !== undefined) return undefined;
  const found = environmentIn(attributes) ?? environmentIn(resource?.attributes);
  const clean = found === undefined ? undefined : cleanEnvironment(found);
  if (clean === undefined || clean === found) return undefined;
  return { key: "langfuse.environment", value: { stringValue: clean } };
}

const environmentKeys = langfuseFields
  .filter(({ field }) => field === "environment")
  .flatMap(({ attribute, fallbacks }) => [attribute, ...fallbacks])
  .filter((key) => typeof key === "string");

function environmentIn(attributes: PayloadAttributes | undefined): unknown {
  const plain = toPlainAttributes(attributes);
  return environmentKeys.map((key) => plain.get(key)).find((value) => value !== undefined && value !== null);
}

/** One explicit value as the attributes that Langfuse reads it from. */
function encodeField({ attribute: key, encoding }: LangfuseField, value: unknown): OtlpKeyValue[] {
  switch (encoding) {
    case "text":
      return [{ key, value: { stringValue: String(value) } }];
    case "json":
    case "record":
      return [{ key, value: { stringValue: jsonText(value) } }];
    case "spread":
      return Object.entries(isRecord(value) ? value : { metadata: value }).map(([part, inner]) => ({
        key: `${key}.${part}`,
        value: { stringValue: jsonText(inner) },
      }));
    case "texts": {
      const texts = Array.isArray(value) ? value : [value];
      return [{ key, value: { arrayValue: { values: texts.map((text) => ({ stringValue: String(text) })) } } }];
    }
    case "boolean":
      return [{ key, value: { boolValue: value === true || value === "true" } }];
    case "integer":
      return [{ key, value: toOtlpValue(value) }];
    default:
      return encoding satisfies never;
  }
}

function jsonText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "null");
}
