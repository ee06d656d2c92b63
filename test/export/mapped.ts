/** A span with every field of every kind, and what the mapping tests read from requests. */
import { expect } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { type IngestionEvent, ingestionPlan } from "../../src/export/ingestion.ts";
import { envelopedSpan, type OtlpRequest, otlpRequest } from "../../src/export/otlp.ts";

export const full: SpanPayload = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  parentSpanId: "00f067aa0ba902b7",
  traceState: "vendor=1",
  name: "answer",
  kind: 3,
  startTimeUnixNano: "1793520000000000000",
  endTimeUnixNano: "1793520001500999999",
  attributes: {
    text: "a",
    whole: 7,
    zero: 0,
    half: 0.5,
    huge: 1e300,
    yes: true,
    list: ["a", 1],
    nested: { b: 2 },
    nothing: null,
    "user.id": "overridden",
    "langfuse.observation.input": "overridden",
    "langfuse.observation.metadata.tier": "overridden",
  },
  events: [{ name: "exception", timeUnixNano: "1793520000500000000", attributes: { "exception.type": "E" } }],
  links: [{ traceId: "1af7651916cd43dd8448eb211c80319c", spanId: "17ad6b7169203331", attributes: { why: "retry" } }],
  status: { code: 2, message: "from the status" },
  resource: { attributes: { "service.name": "overridden", "host.name": "h" } },
  scope: { name: "my.scope", version: "1.2", attributes: { a: "b" } },
  type: "generation",
  input: [{ role: "user", content: "Hi" }],
  output: "Hello",
  model: "gpt-4o",
  modelParameters: { temperature: 0.2, stop: ["a"] },
  usageDetails: { input: 10, output: 20 },
  costDetails: { total: 0.001 },
  completionStartTime: "2026-11-01T08:00:00.250Z",
  promptName: "greeting",
  promptVersion: 3,
  level: "WARNING",
  statusMessage: "slow",
  version: "v9",
  metadata: { tier: "gold", tags: { a: 1 } },
  trace: {
    userId: "user-1",
    sessionId: "session-1",
    traceName: "call",
    tags: ["a", "b"],
    traceMetadata: { region: "eu", shard: 4 },
    public: true,
  },
  environment: "production",
  release: "r1",
  serviceName: "bot",
};

/** The OTLP request of parsed payloads. */
export function requestOf(payloads: readonly SpanPayload[]): OtlpRequest {
  return otlpRequest(payloads.map(envelopedSpan));
}

/** The attributes of the span in an OTLP request, by key; no key twice. */
export function attributesOf(payload: SpanPayload): Record<string, unknown> {
  const attributes = requestOf([payload]).resourceSpans[0]?.scopeSpans[0]?.spans[0]?.attributes ?? [];
  expect(new Set(attributes.map(({ key }) => key)).size).toBe(attributes.length);
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value]));
}

/** The event of the span in an ingestion request. */
export function observation(payload: SpanPayload, major?: number): IngestionEvent {
  return ingestionPlan([payload], major).request.batch[1] as IngestionEvent;
}
