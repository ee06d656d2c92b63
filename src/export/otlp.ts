/**
 * Payloads → the body of `POST /api/public/otel/v1/traces` (OTLP's `ExportTraceServiceRequest` in JSON). The same
 * payloads always give the same request: no clock, no chance.
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
import { explicitValue, type LangfuseField, langfuseFields } from "./langfuse-fields.ts";

/** Names us to the server: as scope of spans that bring none, and as SDK of spans that bring no resource. */
export const sdkName = "langfuse-span-buffer";

export interface OtlpRequest {
  resourceSpans: OtlpResourceSpans[];
}

interface OtlpResourceSpans {
  resource: { attributes: OtlpKeyValue[] };
  scopeSpans: { scope: { name: string; version?: string; attributes?: OtlpKeyValue[] }; spans: OtlpSpan[] }[];
}

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: OtlpKeyValue[];
  events?: { name: string; timeUnixNano: string; attributes: OtlpKeyValue[] }[];
  links?: { traceId: string; spanId: string; traceState?: string; attributes: OtlpKeyValue[] }[];
  status: { code?: number; message?: string };
}

const internalKind = 1;

/** Groups by resource and scope, in the order of first appearance. */
export function otlpRequest(payloads: readonly SpanPayload[]): OtlpRequest {
  const resources = new Map<string, OtlpResourceSpans>();
  const scopes = new Map<string, OtlpResourceSpans["scopeSpans"][number]>();
  for (const payload of payloads) {
    const resource = { attributes: resourceAttributes(payload) };
    const scope = scopeOf(payload);
    const resourceKey = JSON.stringify(resource);
    const scopeKey = JSON.stringify([resource, scope]);
    let resourceSpans = resources.get(resourceKey);
    if (resourceSpans === undefined) {
      resourceSpans = { resource, scopeSpans: [] };
      resources.set(resourceKey, resourceSpans);
    }
    let scopeSpans = scopes.get(scopeKey);
    if (scopeSpans === undefined) {
      scopeSpans = { scope, spans: [] };
      scopes.set(scopeKey, scopeSpans);
      resourceSpans.scopeSpans.push(scopeSpans);
    }
    scopeSpans.spans.push(otlpSpan(payload));
  }
  return { resourceSpans: [...resources.values()] };
}

function resourceAttributes({ resource, serviceName }: SpanPayload): OtlpKeyValue[] {
  const given: OtlpKeyValue[] = toKeyValues(
    resource?.attributes ?? { "telemetry.sdk.language": "nodejs", "telemetry.sdk.name": sdkName },
  );
  if (serviceName === undefined) return given;
  return [
    ...given.filter(({ key }) => key !== "service.name"),
    { key: "service.name", value: { stringValue: serviceName } },
  ];
}

function scopeOf({ scope }: SpanPayload): OtlpResourceSpans["scopeSpans"][number]["scope"] {
  return {
    name: scope?.name ?? sdkName,
    ...(scope?.version === undefined ? {} : { version: scope.version }),
    ...(scope?.attributes === undefined ? {} : { attributes: toKeyValues(scope.attributes) }),
  };
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
    status: payload.status ?? {},
  };
}

function otlpEvent({ name, timeUnixNano, attributes }: PayloadEvent): NonNullable<OtlpSpan["events"]>[number] {
  return { name, timeUnixNano, attributes: toKeyValues(attributes) };
}

function otlpLink({ attributes, ...link }: PayloadLink): NonNullable<OtlpSpan["links"]>[number] {
  return { ...link, attributes: toKeyValues(attributes) };
}

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
    written.push({ key: "langfuse.environment", value: { stringValue: environment } });
    taken.add("langfuse.environment");
  }
  const own = toKeyValues(payload.attributes).filter(({ key }) => !taken.has(key));
  return [...written, ...own.map(withKnownLevel)];
}

/** A level that Langfuse does not know would cost the span, after a 200: kept, but as metadata. */
function withKnownLevel(keyValue: OtlpKeyValue): OtlpKeyValue {
  if (keyValue.key !== "langfuse.observation.level") return keyValue;
  const isKnown = observationLevels.some((level) => level === keyValue.value.stringValue);
  return isKnown ? keyValue : { ...keyValue, key: "langfuse.observation.metadata.level" };
}

/** An environment that came as an attribute and that the server would refuse, cleaned; it goes before the others. */
function environmentToWrite({ environment, attributes, resource }: SpanPayload): string | undefined {
  if (environment !== undefined) return undefined;
  const found = environmentIn(attributes) ?? environmentIn(resource?.attributes);
  const clean = found === undefined ? undefined : cleanEnvironment(found);
  return clean === found ? undefined : clean;
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
