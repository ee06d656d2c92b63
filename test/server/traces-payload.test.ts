/** What is put right between a span of OTLP's and its stored form, so that no part of it costs the whole span later. */
import { expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { StoredBatch } from "../../src/export/stored-batch.ts";
import type { OtlpSpan } from "../../src/otlp/otlp-shape.ts";
import { payloadOf } from "../../src/server/traces/payload.ts";
import { otlpSpan } from "./traces-support/receiving.ts";

function stored(fields: Partial<OtlpSpan>): SpanPayload {
  const payload = payloadOf({ span: otlpSpan(1, fields), resource: undefined, scope: undefined, checksum: 0 });
  const bytes = Buffer.from(JSON.stringify(payload));
  // Either sender can make a request of it.
  for (const form of ["otlpRequest", "protobufRequest"] as const) {
    const batch = new StoredBatch(bytes, [bytes.length]);
    batch[form]();
    expect(batch.reasons).toEqual([undefined]);
  }
  return JSON.parse(bytes.toString()) as SpanPayload;
}

test.each<[Partial<OtlpSpan>, Partial<SpanPayload>]>([
  [{ traceId: "ABCDEF".padEnd(32, "0") }, { traceId: "abcdef".padEnd(32, "0") }],
  [{ spanId: "ABCDEF0000000000" }, { spanId: "abcdef0000000000" }],
  [{ parentSpanId: "ABCDEF0000000000" }, { parentSpanId: "abcdef0000000000" }],
  [{ kind: 5 }, { kind: 5 }],
  [{ kind: -1 }, { kind: 0 }],
  [{ kind: 1e9 }, { kind: 0 }],
  [{ kind: 1.5 }, { kind: 0 }],
  [{ status: { code: 2, message: "m" } }, { status: { code: 2, message: "m" } }],
  [{ status: { message: "m" } }, { status: { code: 0, message: "m" } }],
  [{ status: { code: 1, message: "" } }, { status: { code: 1 } }],
  [{ status: { code: 500 } }, {}],
  [
    { links: [{ traceId: "A".repeat(32), spanId: "B".repeat(16), traceState: "" }] },
    { links: [{ traceId: "a".repeat(32), spanId: "b".repeat(16) }] },
  ],
  [
    { links: [{ traceId: "", spanId: "none", traceState: "a=b", attributes: [{ key: "k", value: {} }] }] },
    {
      links: [
        {
          traceId: "0".repeat(32),
          spanId: "0".repeat(16),
          traceState: "a=b",
          attributes: [{ key: "k", value: {} }],
        },
      ],
    },
  ],
])("%j is stored as %j", (sent, expected) => {
  expect(stored(sent)).toMatchObject(expected);
});

test.each<[string, Partial<OtlpSpan>]>([
  ["parentSpanId", { parentSpanId: "" }],
  ["parentSpanId", { parentSpanId: "0".repeat(16) }],
  ["parentSpanId", { parentSpanId: "abc" }],
  ["traceState", { traceState: "" }],
  ["status", { status: {} }],
  ["status", { status: { code: 0, message: "" } }],
  ["events", { events: [] }],
  ["links", { links: [] }],
])("%s that says nothing is left out: %j", (field, sent) => {
  expect(stored(sent)).not.toHaveProperty(field);
});

test("a kind that is absent is unspecified, as OTLP has it", () => {
  const { kind: _, ...span } = otlpSpan(1);
  expect(payloadOf({ span, resource: undefined, scope: undefined, checksum: 0 }).kind).toBe(0);
});
