/** Whatever a client puts into a span: the enricher does not throw, and what can be stored can still be stored. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { createEnricher } from "../../src/server/enrich/enricher.ts";
import { pipecatAttributes } from "../../src/server/enrich/pipecat.ts";
import { usageAttributes } from "../../src/server/enrich/token-usage.ts";
import { traceAttributes } from "../../src/server/enrich/trace-context.ts";

const keys = [
  ...pipecatAttributes,
  ...usageAttributes,
  ...traceAttributes,
  "langfuse.observation.metadata.x",
  "__proto__",
];
const names = ["conversation", "turn", "stt", "llm", "tts", "llm_setup", "llm_response", "llm_tool_call", "other"];

/** 100,000 found no more; these are for what a change breaks. */
const numRuns = 500;

/** What JSON can hold: nothing else reaches a receiver. */
const json = fc.jsonValue({ maxDepth: 3 });
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom("1e999", "-0", " ", "0x1f", "NaN"),
);

const tagged = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ stringValue: fc.oneof(fc.string(), fc.constantFrom("[", "[]", "[{", "unknown")) }),
  },
  { weight: 3, arbitrary: fc.oneof(fc.record({ intValue: number }), fc.record({ doubleValue: number })) },
  fc.record({ boolValue: fc.boolean() }),
  fc.record({ arrayValue: fc.oneof(json, fc.record({ values: fc.array(json) })) }),
  fc.dictionary(
    fc.constantFrom("stringValue", "intValue", "doubleValue", "boolValue", "arrayValue", "kvlistValue"),
    json,
  ),
);

const entry = fc.oneof(
  { weight: 8, arbitrary: fc.record({ key: fc.constantFrom(...keys), value: tagged }) },
  fc.record({ key: fc.constantFrom(...keys), value: json }),
  fc.record({ key: json, value: json }, { requiredKeys: [] }),
  json,
);

const time = fc.oneof({ weight: 3, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n).map(String) }, json);

const span = fc.record(
  {
    traceId: fc.oneof(fc.constantFrom("a".repeat(32), "b".repeat(32)), json),
    spanId: json,
    parentSpanId: fc.oneof(fc.constant(""), json),
    name: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...names) }, json),
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    attributes: fc.oneof({ weight: 6, arbitrary: fc.array(entry, { maxLength: 20 }) }, json),
    scope: fc.oneof({ weight: 4, arbitrary: fc.constantFrom({ name: "pipecat" }, { name: "x" }) }, json),
    trace: json,
    metadata: json,
  },
  { requiredKeys: ["name"] },
);

test("hostile spans never throw, and enriching twice is enriching once", () => {
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 5 }), (spans) => {
      const enricher = createEnricher();
      const payloads = spans as unknown as SpanPayload[];
      for (const payload of payloads) enricher.learn(payload);
      for (const payload of payloads) enricher.enrich(payload, {});
      const once = JSON.stringify(payloads);
      for (const payload of payloads) enricher.enrich(payload, {});
      expect(JSON.stringify(payloads)).toBe(once);
    }),
    { numRuns },
  );
});

test("no attribute is lost: what is not there any more is the input or the output", () => {
  fc.assert(
    fc.property(span, (hostile) => {
      const payload = hostile as unknown as SpanPayload;
      const before = structuredClone(payload);
      createEnricher().enrich(payload, {});
      if (!Array.isArray(before.attributes)) {
        expect(payload.attributes).toEqual(before.attributes);
        return;
      }
      const left = new Set((payload.attributes as unknown[]).map((one) => JSON.stringify(one)));
      const gone = (before.attributes as unknown[]).filter((one) => !left.has(JSON.stringify(one)));
      for (const one of gone as ({ key: string } | null)[]) {
        expect(["transcript", "text", "input", "tool.arguments", "tool.result", "instructions"]).toContain(
          one?.key.replace("gen_ai.system_instructions", "instructions"),
        );
      }
    }),
    { numRuns },
  );
});

test("a list of messages of ten megabytes, of blanks or of brackets, costs one pass", () => {
  const bombs = [" ".repeat(10_000_000), "[".repeat(10_000_000), `[${" ]".repeat(5_000_000)}x`];
  for (const input of bombs) {
    const payload = {
      traceId: "a".repeat(32),
      name: "llm",
      scope: { name: "pipecat" },
      attributes: [
        { key: "input", value: { stringValue: input } },
        { key: "gen_ai.system_instructions", value: { stringValue: "Be brief." } },
      ],
    } as unknown as SpanPayload;
    createEnricher().enrich(payload, {});
    expect(payload.input).toContain("Be brief.");
  }
});
