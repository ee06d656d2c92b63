/** Spans as the sidecar's receiver stores them, for the tests of the enricher. */
import { readFileSync } from "node:fs";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import type { OtlpRequest } from "../../src/otlp/otlp-shape.ts";

const fixture = new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url);

/** The nine spans of the fixture, anew each time, in their order: services, turns, root last. */
export function conversation(): SpanPayload[] {
  const { resourceSpans = [] } = JSON.parse(readFileSync(fixture, "utf8")) as OtlpRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map((span) => {
        const { flags: _unused, ...fields } = span as typeof span & { flags: number };
        return { ...fields, resource, scope } as unknown as SpanPayload;
      }),
    ),
  );
}

type Plain = string | number | boolean | readonly string[];

/** OTLP's list from plain values. */
export function attributeList(attributes: Record<string, Plain>): { key: string; value: unknown }[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: tagged(value) }));
}

function tagged(value: Plain): unknown {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value !== "number") return { arrayValue: { values: value.map((text) => ({ stringValue: text })) } };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

let count = 0;

/** A span of two seconds in Pipecat's scope. */
export function pipecatSpan(
  name: string,
  attributes: Record<string, Plain>,
  fields: Partial<SpanPayload> = {},
): SpanPayload {
  return {
    traceId: "5b8efff798038103d269b633813fc60c",
    spanId: (++count).toString(16).padStart(16, "0"),
    parentSpanId: "a000000000000001",
    name,
    kind: 1,
    startTimeUnixNano: "1793520000000000000",
    endTimeUnixNano: "1793520002000000000",
    attributes: attributeList(attributes),
    scope: { name: "pipecat" },
    ...fields,
  };
}

/** The keys of what is left of a span's attributes. */
export function keysOf({ attributes }: SpanPayload): string[] {
  return (attributes as readonly { key: string; value: unknown }[]).map(({ key }) => key);
}
