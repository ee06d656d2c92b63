/** JSON where a text should stand: an object may have members with the names of `Object.prototype`'s. */
import { expect, test } from "vitest";
import { cleanPayload } from "../../src/export/clean-fields.ts";
import { observationTypeOf } from "../../src/export/event-kinds.ts";
import { mergeEvents } from "../../src/export/event-merge.ts";
import { jsonText } from "../../src/export/json-text.ts";
import { resolveFields } from "../../src/export/resolve-fields.ts";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { heldEvent } from "../../src/server/ingestion/describe-event.ts";

const odd = JSON.parse('{"toString":"","valueOf":1}') as object;

test("any JSON becomes a text", () => {
  expect(["a", 1, true, null, ["b"], odd].map(jsonText)).toEqual([
    "a",
    "1",
    "true",
    "null",
    '["b"]',
    '{"toString":"","valueOf":1}',
  ]);
});

test("no field of a span or of an event throws for it", () => {
  const body = { id: odd, traceId: odd, type: odd, level: odd, environment: odd, tags: [odd], name: odd };
  const event = { id: "e", type: "observation-create", timestamp: new Date(0).toISOString(), body };
  expect(mergeEvents([event]).body["tags"]).toEqual(['{"toString":"","valueOf":1}']);
  expect(observationTypeOf(event)).toBe("span");
  expect(() => heldEvent(event)).not.toThrow();
  const times = { startTimeUnixNano: "1790000000000000000", endTimeUnixNano: "1790000000000000000" };
  const payload = { traceId: "a".repeat(32), spanId: "b".repeat(16), name: "n", ...times } as SpanPayload;
  expect(() => cleanPayload({ ...payload, ...body, name: "n" } as never)).not.toThrow();
  const attributes = { "langfuse.trace.tags": [odd], "langfuse.observation.level": odd, "langfuse.environment": odd };
  expect(() => resolveFields({ ...payload, attributes })).not.toThrow();
  expect(() => resolveFields({ ...payload, attributes: { "langfuse.trace.tags": odd } })).not.toThrow();
});
