/** JSON where a text should stand: an object may have members with the names of `Object.prototype`'s. */
import { expect, test } from "vitest";
import { observationTypeOf } from "../../src/export/event-kinds.ts";
import { mergeEvents } from "../../src/export/event-merge.ts";
import { jsonText } from "../../src/export/json-text.ts";
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

test("no field of an event throws for it (a span with such a field is a dead letter by itself: spans.test.ts)", () => {
  const body = { id: odd, traceId: odd, type: odd, level: odd, environment: odd, tags: [odd], name: odd };
  const event = { id: "e", type: "observation-create", timestamp: new Date(0).toISOString(), body };
  expect(mergeEvents([event]).body["tags"]).toEqual(['{"toString":"","valueOf":1}']);
  expect(observationTypeOf(event)).toBe("span");
  expect(() => heldEvent(event)).not.toThrow();
});
