/** What stands around spans in OTLP: resource and scope. Spans of one bot nearly always share both. */
import type { SpanPayload } from "../buffer/span-payload.ts";
import { type OtlpKeyValue, toKeyValues } from "./attribute-values.ts";

/** Names us to the server: as scope of spans that bring none, and as SDK of spans that bring no resource. */
export const sdkName = "langfuse-span-buffer";

export interface OtlpResource {
  attributes: OtlpKeyValue[];
}

export interface OtlpScope {
  name: string;
  version?: string;
  attributes?: OtlpKeyValue[];
}

export interface Envelope {
  resource: OtlpResource;
  scope: OtlpScope;
  /** Equal for equal resources. */
  resourceKey: string;
}

export type EnvelopeFields = Pick<SpanPayload, "resource" | "scope" | "serviceName">;

/** More of them than this are no bot's; the table begins anew. */
const mostEnvelopes = 1_000;

const envelopes = new Map<string, Envelope>();

/** The same object for the same resource and scope. */
export function envelopeOf(fields: EnvelopeFields): Envelope {
  const resource = { attributes: resourceAttributes(fields) };
  const scope = scopeOf(fields);
  const resourceKey = JSON.stringify(resource);
  const key = resourceKey + JSON.stringify(scope);
  const known = envelopes.get(key);
  if (known !== undefined) return known;
  if (envelopes.size >= mostEnvelopes) envelopes.clear();
  const envelope = { resource, scope, resourceKey };
  envelopes.set(key, envelope);
  return envelope;
}

function resourceAttributes({ resource, serviceName }: EnvelopeFields): OtlpKeyValue[] {
  const given: OtlpKeyValue[] = toKeyValues(
    resource?.attributes ?? { "telemetry.sdk.language": "nodejs", "telemetry.sdk.name": sdkName },
  );
  if (serviceName === undefined) return given;
  return [
    ...given.filter(({ key }) => key !== "service.name"),
    { key: "service.name", value: { stringValue: serviceName } },
  ];
}

function scopeOf({ scope }: EnvelopeFields): OtlpScope {
  return {
    name: scope?.name ?? sdkName,
    ...(scope?.version === undefined ? {} : { version: scope.version }),
    ...(scope?.attributes === undefined ? {} : { attributes: toKeyValues(scope.attributes) }),
  };
}
